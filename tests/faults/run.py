"""One schedule, from its topics to its history."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import redis
import yaml
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.identity import header_reader
from doublegate.contract.resource import parse_consumer
from doublegate.contract.scope import scope_tag
from doublegate.deadletters.give_up import give_up
from doublegate.deadletters.letters import read_letters
from doublegate.deadletters.replay import Replay
from doublegate.deadletters.selection import Selection
from tests.faults.faults import FAULTS, loses
from tests.faults.handlers import Kind, kind_of
from tests.faults.history import History, Letter
from tests.faults.load import Load
from tests.faults.members import Members
from tests.faults.plan import LOAD_SECONDS, PARTITIONS, Effect, spec_of
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.members import Member
    from tests.faults.plan import Planned, Schedule
    from tests.faults.world import World

__all__ = ["Run", "perform"]

ADMIN_SECONDS = 30.0
PLAUSIBLE_SECONDS = 20.0
_log = logging.getLogger(__name__)


def perform(world: World, schedule: Schedule, home: Path, broken: str = "") -> History:
    """Run a schedule; the world is healed afterwards.

    Args:
        world: the servers.
        schedule: what happens.
        home: for files and logs of this run.
        broken: a build of `broken.BUILDS`, for all members.
    """
    run = Run(world, schedule, home, broken)
    try:
        return run.go()
    finally:
        world.heal()


class Run:
    """What a fault can reach."""

    def __init__(self, world: World, schedule: Schedule, home: Path, broken: str) -> None:
        self.world = world
        self.schedule = schedule
        self.home = home
        self.name = f"run-{schedule.seed}-{uuid.uuid4().hex[:6]}"
        self.topic, self.group = f"{self.name}-events", f"{self.name}-group"
        self.dlq, self.replay_topic = f"{self.group}.dlq", f"{self.group}.replay"
        self.repaired = home / "repaired"
        self.client = {"bootstrap.servers": world.bootstrap}
        self.admin = AdminClient(self.client, logger=_log)
        self._onlooker = Consumer({**self.client, "group.id": self.group}, logger=_log)
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        self._broken = broken
        self._pids: dict[int, float] = {}
        self.history = History(schedule)

    # --- for faults

    def member(self, number: int) -> Member:
        """One of those that shall run."""
        wanted = self.members.wanted
        return wanted[number % len(wanted)]

    def kill(self, member: Member) -> None:
        """SIGKILL, noted for the recovery's time."""
        self.history.killed.append((time.monotonic(), member.pids[-1]))
        member.kill()

    def pause(self, member: Member) -> None:
        """SIGSTOP."""
        self.history.killed.append((time.monotonic(), member.pids[-1]))
        member.signal(signal.SIGSTOP)

    def aside(self, what: Callable[[], None]) -> None:
        """Do something beside the schedule; it ends before the run does."""
        thread = threading.Thread(target=what, daemon=True)
        self._threads.append(thread)
        thread.start()

    def restart_one_by_one(self) -> None:
        """A rolling restart: the next one goes when the last is ready."""
        for member in list(self.members.wanted):
            if self._ended.is_set():
                return
            member.signal(signal.SIGTERM)
            with suppress(AssertionError):
                pids = len(member.pids)
                eventually(lambda m=member, n=pids: self._ended.is_set() or len(m.pids) > n, 20.0)  # type: ignore[misc]
                eventually(lambda m=member: self._ended.is_set() or m.ready, 20.0)  # type: ignore[misc]

    def churn(self, seconds: float) -> None:
        """Members join and leave, again and again."""
        for _ in range(2):
            guest = self.members.add()
            if self._ended.wait(seconds):
                return
            guest.stop()

    def ledger_slots(self) -> list[int]:
        """Slots of the cluster that hold this group's buckets."""
        assert self.world.cluster is not None
        with redis.RedisCluster.from_url(self.world.cluster.url) as client:
            return [client.keyslot(f"{scope_tag(self.group)}{{{digit}}}") for digit in "0123456789abcdef"]

    # --- the way of a run

    def go(self) -> History:
        """From the topics to the records."""
        history, began = self.history, time.monotonic()
        history.began = began
        history.ledger_lost = loses(fault.fault for fault in self.schedule.faults)
        self._prepare()
        with Members(self.home / "consumer.yaml", self._env(), self.home) as self.members:
            points = {member: f"{point}:{count}" for member, point, count in self.schedule.points}
            for number in range(self.schedule.config.members):
                self.members.add(**({"FAULTS_POINT": points[number]} if number in points else {}))
            self.members.wait_ready(self.topic)
            load = Load(self.schedule, self.client, self.topic, self._registry())
            load.start()
            self._faults(load.began)
            load.finish(LOAD_SECONDS + ADMIN_SECONDS)
            healed = time.monotonic()
            self._drain()
            history.drained = time.monotonic() - healed
            if self.schedule.replays:
                self._replay()
            if self.schedule.full_replay:
                self._read_again()
            self._ended.set()
            for thread in self._threads:
                thread.join(PLAUSIBLE_SECONDS)
            self.members.stop()
            history.sent, history.aborted = load.sent(), load.aborted
            self._gather()
        history.seconds = time.monotonic() - began
        return history

    def _prepare(self) -> None:
        replicas = 3 if self.world.wide else 1
        topics = [NewTopic(self.topic, PARTITIONS, replicas)]
        for future in self.admin.create_topics(topics).values():
            future.result(ADMIN_SECONDS)
        self._database = self.world.database(self.name)
        secret = self.home / "secrets" / "db"
        secret.mkdir(parents=True)
        (secret / "dsn").write_text(self.world.through("postgres", self._database))
        ends = self.world.stack.endpoints
        places = {
            "bootstrap": self.world.bootstrap,
            "topic": self.topic,
            "group": self.group,
            "ledger": self.world.ledger_url,
            "registry": self.world.through("registry", str(ends.registry_url)),
            "otlp": self.world.through("otlp", ends.otlp_endpoint) if ends.otlp_endpoint else None,
        }
        kind = {"apiVersion": "doublegate.dev/v1alpha1", "kind": "IdempotentConsumer"}
        self.resource = {**kind, "metadata": {"name": "run"}, "spec": spec_of(self.schedule.config, **places)}
        (self.home / "consumer.yaml").write_text(yaml.safe_dump(self.resource))

    def _env(self) -> dict[str, str]:
        protocol = self.schedule.config.protocol
        return {
            "FAULTS_FAR_SIDE": self.world.far_side,
            "FAULTS_RUN": self.name,
            "FAULTS_EFFECT": self.schedule.config.effect,
            "FAULTS_REPAIRED": str(self.repaired),
            "FAULTS_BROKEN": self._broken,
            "FAULTS_ASSIGNOR": "range" if protocol == "eager" else "",
            "DOUBLEGATE_SECRETS": str(self.home / "secrets"),
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")]),
        }

    def _registry(self) -> str | None:
        return str(self.world.stack.endpoints.registry_url) if self.schedule.config.typed else None

    def _faults(self, began: float) -> None:
        """Every fault at its time, undone at its end."""
        steps: list[tuple[float, bool, Planned]] = []
        for fault in self.schedule.faults:
            steps.append((fault.at, True, fault))
            if FAULTS[fault.fault].end is not None:
                steps.append((fault.at + fault.seconds, False, fault))
        for at, begins, fault in sorted(steps, key=lambda step: step[0]):
            if (wait := began + at - time.monotonic()) > 0:
                self._ended.wait(wait)
            kind = FAULTS[fault.fault]
            self._note(f"{fault.fault} {'begins' if begins else 'ends'}")
            act = kind.begin if begins else kind.end
            assert act is not None
            act(self, fault.member)

    def _note(self, what: str) -> None:
        self.history.incidents.append((time.monotonic() - self.history.began, what))

    def _drain(self) -> None:
        """Everything that is in the topics is passed."""
        self.history.unread = {"all": 1}
        try:
            eventually(lambda: not any(self._unread().values()), self.schedule.patience, 0.2)
        except AssertionError:
            for member in self.members.wanted:
                member.signal(signal.SIGUSR2)
        self.history.unread = self._unread()
        self._note("drained")

    def _unread(self) -> dict[str, int]:
        found = {}
        for topic in (self.topic, self.replay_topic):
            try:
                names = [TopicPartition(topic, p) for p in self._partitions(topic)]
                committed = self._onlooker.committed(names, ADMIN_SECONDS)
                ends = [self._onlooker.get_watermark_offsets(name, ADMIN_SECONDS)[1] for name in names]
            except KafkaException:
                return {topic: -1}
            missing = (end - max(0, c.offset) for c, end in zip(committed, ends, strict=True))
            found[topic] = sum(self._real(topic, n) for n in missing)
        return found

    def _real(self, topic: str, missing: int) -> int:
        """An aborted transaction's records and markers are never delivered, so no commit passes the last."""
        aborted = self.schedule.aborted and topic == self.topic
        return 0 if aborted and missing <= self.schedule.aborted + 1 else missing

    def _partitions(self, topic: str) -> list[int]:
        return list(self._onlooker.list_topics(topic, timeout=ADMIN_SECONDS).topics[topic].partitions)

    def _replay(self) -> None:
        """Repair the handler, replay what may be replayed, twice."""
        self.repaired.touch()
        self._one_replay("first")
        before, sound = self._performed(), frozenset[str]()
        if self.schedule.config.on_failure == "ParkKey":
            sound = self._give_up_broken()
            self._one_replay("again", sound)  # what came to a key while it was parked
            before = self._performed()
        self._one_replay("second", sound)
        self.history.after_replay = (before, self._performed())

    def _one_replay(self, name: str, ids: frozenset[str] = frozenset()) -> None:
        identity = parse_consumer(self.resource).spec.identity
        reasons = frozenset(
            {DeadLetterReason.FAILED, DeadLetterReason.UNKNOWN_OUTCOME, DeadLetterReason.PARKED}
        )
        selection = Selection(reasons=reasons, ids=ids, accept_unknown=True)
        read_id = header_reader(identity)
        report = Replay(self.client, self.dlq, self.group, identity, read_id, selection, name).run()
        self._note(f"replayed {report.replayed} dead letters")
        self._drain()

    def _give_up_broken(self) -> frozenset[str]:
        """What no repair makes readable would hold its key for ever, and again when it is replayed.

        Returns the ids of the other letters.
        """
        consumer = parse_consumer(self.resource)
        found = list(read_letters(self.client, self.dlq, header_reader(consumer.spec.identity)))
        ids = {one.event_id for one in found if one.event_id}
        broken = {event_id for event_id in ids if kind_of(event_id) is Kind.BROKEN}
        give_up(consumer, [one for one in found if one.event_id in broken])
        return frozenset(ids - broken)

    def _read_again(self) -> None:
        """The whole topic once more, by the same group."""
        before = self._performed()
        for member in self.members.wanted:
            member.wanted = False
        threads = [threading.Thread(target=member.stop) for member in self.members.all if member.alive]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        offsets = [TopicPartition(self.topic, p, 0) for p in self._partitions(self.topic)]
        request = [ConsumerGroupTopicPartitions(self.group, offsets)]
        eventually(lambda: self._reset(request), 30.0)
        self._note("offsets are reset to the beginning")
        self.members.add()
        self.members.wait_ready(self.topic)
        self._drain()
        self.history.after_reread = (before, self._performed())

    def _reset(self, request: Any) -> bool:
        try:
            self.admin.alter_consumer_group_offsets(request)[self.group].result(ADMIN_SECONDS)
        except KafkaException:  # the last member has not left yet
            return False
        return True

    def _performed(self) -> int:
        return len(self._calls())

    def _calls(self) -> list[dict[str, Any]]:
        if self.schedule.config.effect is Effect.INBOX:
            with psycopg.connect(self._database) as connection:
                rows = connection.execute("SELECT call FROM effects ORDER BY place").fetchall()
            return [call if isinstance(call, dict) else json.loads(call) for (call,) in rows]
        return [call for call in self.world.calls(self.name) if call["performed"]]

    def _gather(self) -> None:
        history = self.history
        history.calls = [history.call(fields) for fields in self._calls()]
        if self.schedule.config.effect is Effect.KEYED:
            history.repeated = sum(not call["performed"] for call in self.world.calls(self.name))
        history.letters = [self._letter(message) for message in self._read(self.dlq)]
        named: Counter[str] = Counter()
        suspects: Counter[str] = Counter()
        for line in self.members.lines():
            message = line.get("message", "")
            if message.startswith("unknown outcome of"):
                named[line.get("event_id", "")] += 1
            elif message == "the engine stopped":
                history.stops.append(str(line.get("exc_info", ""))[-300:])
            elif message.startswith(("in doubt", "performed again")):
                suspects[line.get("event_id", "")] += 1
                history.doubts += 1
        history.named, history.suspects = dict(named), dict(suspects)

    def _read(self, topic: str) -> list[Any]:
        reader = Consumer({**self.client, "group.id": "reader", "enable.auto.commit": False}, logger=_log)
        found = []
        try:
            ends = {
                p: reader.get_watermark_offsets(TopicPartition(topic, p), ADMIN_SECONDS)[1]
                for p in self._partitions(topic)
            }
            reader.assign([TopicPartition(topic, p, 0) for p, end in ends.items() if end])
            while len(found) < sum(ends.values()):
                message = reader.poll(ADMIN_SECONDS)
                assert message is not None, f"{len(found)} of {sum(ends.values())} of {topic} came"
                if message.error() is None:
                    found.append(message)
        finally:
            reader.close()
        return found

    @staticmethod
    def _letter(message: Any) -> Letter:
        headers = tuple(message.headers() or ())
        ours = dict(headers)
        event_id = (ours.get("correlation_id") or b"").decode(errors="replace")
        return Letter(
            event_id,
            (ours.get("dg-dlq-reason") or b"").decode(),
            message.partition(),
            message.offset(),
            headers,
        )
