"""Events: said once, counted when it comes again, never a reason to stop."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.wanted import Event
from doublegate_operator.shell.events import Events
from doublegate_operator.shell.kinds import EVENT
from tests.unit.operator_shell.fakes import FakeKube, resource

AWAY = Event("Warning", Reason.KAFKA_UNAVAILABLE, "no broker answers")


class _Clock:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def _made() -> tuple[Events, FakeKube, _Clock]:
    kube, clock = FakeKube(), _Clock()
    api: Any = kube
    return Events(api, "op-1", clock), kube, clock


def _posted(kube: FakeKube) -> list[dict[str, Any]]:
    return [raw for (kind, _, _), raw in kube.objects.items() if kind is EVENT]


def test_what_an_event_says() -> None:
    events, kube, _ = _made()
    asyncio.run(events.post(resource(), AWAY))
    [posted] = _posted(kube)
    assert posted["involvedObject"]["uid"] == "u-1"
    assert (posted["type"], posted["reason"], posted["count"]) == ("Warning", "KafkaUnavailable", 1)
    assert posted["metadata"]["namespace"] == "shop"
    assert posted["firstTimestamp"] == "2026-03-01T12:00:00Z"


def test_the_same_within_a_minute_is_silent_and_later_counts_up() -> None:
    events, kube, clock = _made()
    asyncio.run(events.post(resource(), AWAY))
    clock.wait(59)
    asyncio.run(events.post(resource(), AWAY))
    assert [raw["count"] for raw in _posted(kube)] == [1]
    clock.wait(2)
    asyncio.run(events.post(resource(), AWAY))
    [posted] = _posted(kube)
    assert posted["count"] == 2
    assert posted["lastTimestamp"] == "2026-03-01T12:01:01Z"


@pytest.mark.parametrize(
    ("other", "about"),
    [
        (Event("Warning", Reason.KAFKA_UNAVAILABLE, "another broker"), resource()),
        (Event("Warning", Reason.LEDGER_UNAVAILABLE, "no broker answers"), resource()),
        (AWAY, resource(uid="u-2", name="other")),
    ],
)
def test_another_thing_or_another_resource_is_another_event(other: Event, about: dict[str, Any]) -> None:
    events, kube, _ = _made()
    asyncio.run(events.post(resource(), AWAY))
    asyncio.run(events.post(about, other))
    assert len(_posted(kube)) == 2


def test_one_that_the_api_server_threw_away_is_written_anew() -> None:
    events, kube, clock = _made()
    asyncio.run(events.post(resource(), AWAY))
    kube.objects.clear()
    clock.wait(3700)
    asyncio.run(events.post(resource(), AWAY))
    assert [raw["count"] for raw in _posted(kube)] == [1]


def test_a_long_message_is_cut_to_what_the_api_takes() -> None:
    events, kube, _ = _made()
    asyncio.run(events.post(resource(), Event("Normal", Reason.BY_LAG, "x" * 5000)))
    assert len(_posted(kube)[0]["message"]) == 1000


def test_an_event_that_cannot_be_posted_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    events, kube, _ = _made()

    async def refused(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(kube, "create", refused)
    asyncio.run(events.post(resource(), AWAY))
