"""One event's life as a trace: one that failed and was replayed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from doublegate.demo.report import Trace

if TYPE_CHECKING:
    from doublegate.demo.proof import Letter, Records
    from doublegate.demo.scene import Scene

__all__ = ["find_trace", "trace_url"]

CALL_SECONDS = 5
SPANS_SECONDS = 10.0
LIFE = 3
"""Its spans when complete: sent, failed, and performed by the replay."""


def find_trace(scene: Scene, records: Records) -> Trace | None:
    """Choose an event and, with Jaeger, wait a little for its spans."""
    failed = [letter for letter in records.letters if letter.reason == "failed" and letter.trace_id]
    if not failed:
        return None
    chosen: Letter = min(failed, key=lambda letter: not letter.sampled)
    event_id, trace_id = chosen.event_id or "", chosen.trace_id or ""
    base = scene.endpoints.jaeger_url
    if base is None or scene.flights.spec.telemetry.otlp_endpoint is None:
        return Trace(event_id, trace_id, None)
    deadline = time.monotonic() + SPANS_SECONDS
    spans = _spans(base, trace_id)
    while len(spans) < LIFE and time.monotonic() < deadline:
        time.sleep(0.5)
        spans = _spans(base, trace_id)
    return Trace(event_id, trace_id, trace_url(base, trace_id), spans)


def trace_url(base: str, trace_id: str) -> str:
    """Where Jaeger answers with a trace."""
    return f"{base.rstrip('/')}/api/traces/{trace_id}"


def _spans(base: str, trace_id: str) -> tuple[str, ...]:
    try:
        with urlopen(trace_url(base, trace_id), timeout=CALL_SECONDS) as answer:  # noqa: S310 - our own Jaeger
            found = json.load(answer)
    except (OSError, ValueError):
        return ()
    spans = [span for trace in found.get("data") or () for span in trace["spans"]]
    return tuple(_told(span) for span in sorted(spans, key=lambda span: span["startTime"]))


def _told(span: dict[str, Any]) -> str:
    tags = {tag["key"]: tag["value"] for tag in span.get("tags", ())}
    decided = " by ".join(
        str(tags[name]) for name in ("doublegate.decision", "doublegate.gate") if name in tags
    )
    return f"{span['operationName']}, {span['duration'] / 1000:.1f} ms{', ' if decided else ''}{decided}"
