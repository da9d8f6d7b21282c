"""Quix Streams: a stateful filter, whose state is a RocksDB of this process alone (no second one sees it)."""

import logging
import tempfile
import uuid
from typing import Any

from clock import Clock
from quixstreams import Application, State

clock = Clock()
effects = 0


def is_new(value: Any, key: Any, timestamp: int, headers: Any, state: State) -> bool:
    event_id = dict(headers)["correlation_id"].decode()
    if state.exists(event_id):
        return False
    state.set(event_id, 1)
    return True


def effect(value: Any) -> None:
    global effects  # noqa: PLW0603
    if clock.seen >= clock.job["events"]:
        return
    effects += 1
    if clock.tick():
        clock.answer(effects)
        app.stop()


with tempfile.TemporaryDirectory(prefix="doublegate-bench-quix-") as directory:
    app = Application(
        broker_address=clock.job["bootstrap"],
        consumer_group=f"quix-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        state_dir=directory,
        loglevel=logging.WARNING,
    )
    topic = app.topic(clock.job["topic"], value_deserializer="bytes", key_deserializer="bytes")
    stream = app.dataframe(topic).filter(is_new, stateful=True, metadata=True).update(effect)
    app.run()
