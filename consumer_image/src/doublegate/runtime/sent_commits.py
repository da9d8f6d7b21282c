"""Which commits the coordinator has last taken, so that one that was lost or overtaken is sent again."""

from collections.abc import Iterable, Mapping

from doublegate.runtime.partition import TopicPartitionKey

__all__ = ["SentCommits"]


class SentCommits:
    """Commits under way; the poller's thread only.

    A client tries a commit again by itself while the coordinator moves, so an older one may arrive after a
    newer one; or it never says what became of it. On an idle topic no later commit would mend that.
    """

    def __init__(self) -> None:
        self._sent: dict[TopicPartitionKey, tuple[int, str]] = {}
        self._taken: dict[TopicPartitionKey, int] = {}
        self._doubted: dict[TopicPartitionKey, tuple[int, str]] = {}

    def sent(self, commits: Mapping[TopicPartitionKey, tuple[int, str]]) -> None:
        """Offset and metadata by partition, on their way."""
        self._sent.update(commits)

    def taken(self, name: TopicPartitionKey, offset: int) -> None:
        """The coordinator has this one now."""
        self._taken[name] = offset

    def again(self) -> dict[TopicPartitionKey, tuple[int, str]]:
        """What is not what the coordinator has, and was not at the last call either."""
        open_now = {name: last for name, last in self._sent.items() if self._taken.get(name) != last[0]}
        again = {name: last for name, last in open_now.items() if self._doubted.get(name) == last}
        self._doubted = open_now
        return again

    def forget(self, names: Iterable[TopicPartitionKey]) -> None:
        """Partitions that are not ours any more."""
        for name in names:
            for book in (self._sent, self._taken, self._doubted):
                book.pop(name, None)
