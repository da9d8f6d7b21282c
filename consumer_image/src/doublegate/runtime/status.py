"""What the runtime says of itself: alive, ready, and the figures."""

import time
from typing import Any

from doublegate.contract.consumer_spec import ConsumerSpec
from doublegate.contract.states import PauseCause
from doublegate.gate.filter import PartitionFilter
from doublegate.runtime.engine import Engine
from doublegate.runtime.letters import Letters
from doublegate.runtime.ownership import Ownership
from doublegate.runtime.pace import Concurrency
from doublegate.runtime.poller import Poller
from doublegate.runtime.report import Report
from doublegate.runtime.session import Session
from doublegate.runtime.state import State

__all__ = ["Status"]

_STUCK_SECONDS = 30.0


class Status:
    """Read from other threads than the engine's: single reads of plain values, copies of collections."""

    def __init__(
        self,
        spec: ConsumerSpec,
        engine: Engine,
        poller: Poller,
        ownership: Ownership,
        session: Session,
        state: State,
        letters: Letters,
        concurrency: Concurrency,
        report: Report,
    ) -> None:
        self._spec = spec
        self._engine = engine
        self._poller = poller
        self._ownership = ownership
        self._session = session
        self._state = state
        self._letters = letters
        self._concurrency = concurrency
        self._report = report
        self._watch(report)

    def live(self) -> list[str]:
        """What only a restart mends."""
        problems = []
        if self._engine.failure is not None:
            problems.append(f"stopped: {self._engine.failure}")
        if time.monotonic() - self._engine.beat > _STUCK_SECONDS:
            problems.append(f"the engine has not turned for {_STUCK_SECONDS:.0f} s")
        if not self._poller.alive:
            problems.append("the poller has ended")
        return problems

    def ready(self) -> list[str]:
        """What keeps it from working now."""
        problems = self.live()
        if not self._poller.joined:
            problems.append("not a member of the group yet")
        if not self._session.alive():
            problems.append("no session in the ledger")
        if self._engine.ledger_error is not None:
            problems.append(f"ledger: {self._engine.ledger_error}")
        if self._letters.blocked:
            problems.append("the DLQ refuses letters")
        partitions = list(self._state.partitions.values())
        if waiting := sum(not p.active for p in partitions):
            problems.append(f"{waiting} of {len(partitions)} partitions wait for their epoch")
        return problems

    def status(self) -> dict[str, Any]:
        """The facts."""
        partitions = list(self._state.partitions.values())
        filters = [p.seen for p in partitions if p.seen is not None]
        capacity = self._capacity()
        lag = self._lag()
        return {
            "group": self._spec.kafka.group,
            "topic": self._spec.kafka.topic,
            "mode": self._spec.mode.value,
            "partitions": [
                {
                    "topic": p.name.topic,
                    "partition": p.name.partition,
                    "epoch": p.epoch,
                    "committed": p.committed,
                }
                for p in partitions
            ],
            "events": [
                {"decision": decision, "gate": gate, "count": n}
                for (decision, gate), n in sorted(self._report.decisions.copy().items())
            ],
            "unknownOutcomes": dict(self._report.unknown.copy()),
            "deadLetters": dict(self._report.letters.copy()),
            "held": self._state.held,
            "inFlight": len(self._state.local.inflight),
            "lag": lag,
            "capacityEventsPerSecond": capacity,
            "drainSeconds": lag / capacity if capacity else None,
            "concurrency": self._concurrency.limit,
            "paused": self._paused(),
            "filter": {
                "bytes": sum(f.nbytes for f in filters),
                "fill": max((f.fill for f in filters), default=0.0),
                "predictedFalsePositiveRate": max((f.predicted_fpr for f in filters), default=0.0),
                "observedFalsePositiveRate": max((f.observed_fpr for f in filters), default=0.0),
                "warm": sum(f.warm for f in filters),
                "saturated": any(f.saturated for f in filters),
            },
            "memory": {"entries": len(self._state.local.memory), "bytes": self._state.local.memory.nbytes},
        }

    def _lag(self) -> int:
        partitions = list(self._state.partitions.values())
        ends = self._poller.ends
        return sum(max(0, ends.get(p.name, p.committed) - p.committed) for p in partitions)

    def _capacity(self) -> float:
        latency = self._concurrency.latency
        return self._concurrency.limit / latency if latency else self._spec.scaling.initial_rate

    def _paused(self) -> list[str]:
        causes = {
            PauseCause.SPEC: self._spec.paused,
            PauseCause.ASSIGNMENT: self._ownership.suspended,
            PauseCause.LEDGER: self._engine.ledger_error is not None,
            PauseCause.BREAKER: self._engine.breaker_open,
            PauseCause.DLQ: self._letters.blocked,
            PauseCause.RESERVOIR: self._poller.full and not self._spec.paused,
        }
        return [cause.value for cause, now in causes.items() if now]

    def _watch(self, report: Report) -> None:
        metrics = report.metrics
        state = self._state
        metrics.inflight.watch(lambda: len(state.local.inflight))
        metrics.reservoir_bytes.watch(lambda: state.held_bytes)
        metrics.capacity.watch(self._capacity)
        metrics.lag.watch(self._lag)
        metrics.drain_seconds.watch(lambda: self._lag() / max(self._capacity(), 1e-9))
        metrics.paused.watch(
            lambda: {(cause.value,): float(cause.value in self._paused()) for cause in PauseCause}
        )

        def filters() -> list[PartitionFilter]:
            return [p.seen for p in list(state.partitions.values()) if p.seen is not None]

        metrics.filter_fill.watch(lambda: max((f.fill for f in filters()), default=0.0))
        metrics.filter_warm.watch(lambda: sum(f.warm for f in filters()) / max(1, len(filters())))
        metrics.filter_fpr.watch(
            lambda: {
                ("predicted",): max((f.predicted_fpr for f in filters()), default=0.0),
                ("observed",): max((f.observed_fpr for f in filters()), default=0.0),
            }
        )
