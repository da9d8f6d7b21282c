"""`spec.reprocess`: ranges of the source topic that shall run again on purpose, once for each order's name.

An event of a range is another event than its first: its key is drawn from the order's name, too. So a crash
in the middle of an order re-runs nothing of it, and a second start with the same order performs nothing.
"""

from collections.abc import Iterable, Mapping

from xxhash import xxh3_128_digest

from doublegate.contract.headers import REPROCESS
from doublegate.contract.work_spec import ReprocessSpec
from doublegate.gate.keys import Keyspace
from doublegate.runtime.partition import Finished, Partition

__all__ = ["Order", "keyspace_of", "order_in", "rewind"]


class Order:
    """One order of a group.

    Args:
        spec: its name and ranges.
        scope: whose "once" it is.
    """

    def __init__(self, spec: ReprocessSpec, scope: str) -> None:
        self.name = spec.id
        self.keyspace = keyspace_of(scope, spec.id)
        spans: dict[int, list[tuple[int, int]]] = {}
        for span in spec.ranges:
            spans.setdefault(span.partition, []).append((span.from_offset, span.to_offset))
        self._ranges = {number: _joined(found) for number, found in spans.items()}

    def mark_of(self, partition: Partition) -> tuple[bytes, int]:
        """Under which name the ledger keeps how far the order has come in a partition."""
        return xxh3_128_digest(partition.topic_id + self.name.encode()), partition.name.partition

    def marks(self, finished: Mapping[Partition, int]) -> dict[Partition, tuple[bytes, int]]:
        """How far the order has come, for the ledger, where the highest finished offsets are these."""
        return {
            p: (self.mark_of(p)[0], min(offset, p.again.end - 1)) for p, offset in finished.items() if p.again
        }

    def left(self, partition: Partition, done: int) -> Finished:
        """The offsets that are still to run; `done` is the last that was, -1 for none."""
        if partition.replay:
            return Finished()
        return Finished(Finished(self._ranges.get(partition.name.partition, ())).above(done + 1))


def keyspace_of(scope: str, order: str) -> Keyspace:
    """The keys of an order's events."""
    return Keyspace(f"{scope}\0{order}")


def order_in(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """The order that a replayed record runs under; empty for none."""
    return next((value.decode() for name, value in headers if name == REPROCESS and value), "")


def rewind(partition: Partition) -> int | None:
    """Let an order begin where it has to: what lies between and is not of it, stays finished.

    Returns:
        The offset to read from; None where the partition need not go back.
    """
    spans = partition.again.above(0)
    if not spans or spans[0][0] >= partition.delivered:
        return None
    start, old = spans[0][0], partition.delivered
    kept: list[tuple[int, int]] = []
    at = start
    for first, end in spans:
        if first >= old:
            break
        if first > at:
            kept.append((at, first))
        at = end
    if at < old:
        kept.append((at, old))
    above = [span for span in partition.finished_before.above(old) if not _meets(span, spans)]
    partition.finished_before = Finished([*kept, *above])
    partition.delivered = start
    return start


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, end in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return joined


def _meets(span: tuple[int, int], spans: Iterable[tuple[int, int]]) -> bool:
    return any(first < span[1] and span[0] < end for first, end in spans)
