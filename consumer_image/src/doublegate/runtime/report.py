"""What happened, told to metrics, logs and traces."""

import logging
import time
from collections import Counter

from doublegate.contract import metrics as names
from doublegate.contract.deadletter import DeadLetter
from doublegate.contract.states import Decision, Gate, UnknownCause
from doublegate.runtime.record import Record
from doublegate.telemetry.logs import DuplicateLog
from doublegate.telemetry.metrics import Metrics
from doublegate.telemetry.tracing import Source, Tracing

__all__ = ["Report"]

log = logging.getLogger(__name__)

_MOST_DOUBTS = 1000
_DOUBTS_SECONDS = 60.0


class Report:
    """One place where decisions become figures, lines and spans; the engine's thread only."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self.metrics = metrics
        self._tracing = tracing
        self._duplicates = DuplicateLog(log)
        self._broken = 0
        self._doubts = 0
        self._doubts_since = 0.0
        self.decisions: Counter[tuple[str, str]] = Counter()
        self.unknown: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()

    def decided(self, decision: Decision, gate: Gate, n: int = 1, example: bytes = b"") -> None:
        """`n` events were decided alike."""
        self.decisions[decision.value, gate.value] += n
        self.metrics.events.add(n, decision.value, gate.value)
        if decision is Decision.DUPLICATE:
            self._duplicates.add(gate.value, n, example.decode(errors="replace"))

    def unknown_outcome(self, record: Record, cause: UnknownCause, error: str) -> None:
        """Nobody can say whether the effect happened; always named and traced."""
        self.unknown[cause.value] += 1
        self.metrics.unknown_outcomes.add(1, cause.value)
        event_id = record.event_id.decode(errors="replace")
        trace = self._trace(record, "unknown", Gate.HANDLER.value, error)
        log.warning(
            "unknown outcome of %s: %s: %s",
            event_id,
            cause.value,
            error,
            extra={"event_id": event_id, "trace_id": trace},
        )

    def performed_again(self, record: Record) -> None:
        """The ledger knew what the filter had proven to be new: a second effect, after the fact."""
        self.metrics.ledger_suspect.add(1)
        event_id = record.event_id.decode(errors="replace")
        log.error(
            "performed again: %s was DONE already, though the filter had not seen it; do its copies come in "
            "the same partition? Every event is claimed for one ledger.ttl",
            event_id,
            extra={"event_id": event_id},
        )

    def in_doubt(self, record: Record) -> None:
        """The ledger lost data and calls new what may have been DONE; named, up to a bound."""
        self.metrics.ledger_suspect.add(1)
        now = time.monotonic()
        if now - self._doubts_since > _DOUBTS_SECONDS:
            self._doubts_since, self._doubts = now, 0
        self._doubts += 1
        event_id = record.event_id.decode(errors="replace")
        if self._doubts <= _MOST_DOUBTS:
            text = "in doubt: %s may have been performed before the ledger lost data"
            log.warning(text, event_id, extra={"event_id": event_id})
        elif self._doubts == _MOST_DOUBTS + 1:
            log.warning("in doubt: more events, which %s counts", names.LEDGER_SUSPECT)

    def dead_letter(self, record: Record, letter: DeadLetter) -> None:
        """A dead letter was acknowledged; always traced."""
        self.letters[letter.reason.value] += 1
        self.metrics.dead_letters.add(1, letter.reason.value)
        gate = Gate.HANDLER if record.attempt else Gate.PAYLOAD
        self.decided(Decision.DEAD_LETTER, gate)
        event_id = record.event_id.decode(errors="replace")
        trace = self._trace(
            record, Decision.DEAD_LETTER.value, gate.value, letter.error, reason=letter.reason.value
        )
        log.warning(
            "dead letter: %s: %s",
            letter.reason.value,
            letter.error,
            extra={"event_id": event_id, "trace_id": trace},
        )

    def tick(self) -> None:
        """Call now and then: lines and figures that are gathered are due."""
        self._duplicates.tick()
        broken = self._tracing.broken
        self.metrics.broken_traceparents.add(broken - self._broken)
        self._broken = broken

    def _trace(self, record: Record, decision: str, gate: str, error: str, **attributes: str) -> str:
        now = time.time_ns()
        source = Source(
            record.partition.name.topic,
            record.partition.name.partition,
            record.offset,
            record.event_id.decode(errors="replace"),
            record.headers,
        )
        return self._tracing.record_process(
            source,
            start_ns=now,
            end_ns=now,
            decision=decision,
            gate=gate,
            error=error,
            attributes={f"doublegate.{name}": value for name, value in attributes.items()},
        )
