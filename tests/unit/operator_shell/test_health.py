"""Probes and figures over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from doublegate_operator.shell.health import Health, HealthServer
from doublegate_operator.shell.metrics import Metrics
from doublegate_operator.shell.view import View

if TYPE_CHECKING:
    from collections.abc import Callable


async def _ask(health: Health, path: str) -> tuple[int, str]:
    async with HealthServer(health, Metrics(View(), lambda: 7, lambda: 9), 0) as server:
        url = f"http://127.0.0.1:{server.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


def _health(asked_at: Callable[[], float] = lambda: 100.0, now: float = 100.0) -> Health:
    return Health(asked_at, clock=lambda: now)


def test_alive_whatever_happens_to_others() -> None:
    assert asyncio.run(_ask(_health(now=10_000), "/livez"))[0] == 200


def test_a_standby_that_reaches_the_api_is_ready() -> None:
    assert asyncio.run(_ask(_health(now=160), "/readyz"))[0] == 200
    status, text = asyncio.run(_ask(_health(now=161), "/readyz"))
    assert status == 503
    assert "API server was not reached" in text


def test_a_leader_is_ready_once_it_listed() -> None:
    health = _health()
    health.leads = True
    status, text = asyncio.run(_ask(health, "/readyz"))
    assert status == 503
    assert "not listed" in text
    health.listed = True
    assert asyncio.run(_ask(health, "/readyz"))[0] == 200


def test_the_figures() -> None:
    status, text = asyncio.run(_ask(_health(), "/metrics"))
    assert status == 200
    assert "doublegate_operator_queue_depth 7.0" in text
    assert "doublegate_operator_api_calls 9.0" in text
    assert "doublegate_operator_leader 0.0" in text
    assert 'doublegate_operator_resources{kind="IdempotentConsumer",ready="True"} 0.0' in text
    assert "process_resident_memory_bytes" in text
