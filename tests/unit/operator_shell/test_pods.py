"""Pods: what Kubernetes says of them, and what they answer, on a real server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from doublegate_operator.core.meta import HASH_ANNOTATION
from doublegate_operator.shell.pods import observe_pods

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from doublegate_operator.core.facts import PodFacts

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def pod(name: str = "p", **status: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True"}
    usual = {"phase": "Running", "podIP": "127.0.0.1", "conditions": [ready]}
    return {"metadata": {"name": name, "annotations": {HASH_ANNOTATION: "abc"}}, "status": usual | status}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """Of a container that does not run."""
    return {"name": "consumer", "state": {"waiting": {"reason": reason, "message": message}}, **more}


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def observe(pods: list[dict[str, Any]], handler: Handler | None = None) -> tuple[PodFacts, ...]:
    async def refused(_: web.Request) -> web.Response:
        raise web.HTTPServiceUnavailable

    async def other(_: web.Request) -> web.Response:
        return web.json_response({"not": "ours"})

    async def run() -> tuple[PodFacts, ...]:
        app = web.Application()
        app.router.add_get("/status", handler or refused)
        app.router.add_get("/other", other)
        runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            return await observe_pods(pods, port)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_a_ready_pod_and_its_answer() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"topic": "payments", "partitions": []})

    [found] = observe([pod("a")], answer)
    assert (found.name, found.ready, found.config_hash, found.trouble) == ("a", True, "abc", None)
    assert found.status == {"topic": "payments", "partitions": []}


def test_only_running_pods_with_an_address_are_asked() -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({})

    found = observe([pod("a", phase="Pending"), pod("b", podIP=None), pod("c")], answer)
    assert [each.status for each in found] == [None, None, {}]
    assert len(asked) == 1


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_are_over_are_left_out(phase: str) -> None:
    assert [each.name for each in observe([pod("a", phase=phase), pod("b")])] == ["b"]


def test_a_pod_that_leaves_is_not_ready() -> None:
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    leaving["status"]["containerStatuses"] = [waiting("CrashLoopBackOff")]
    [found] = observe([leaving])
    assert (found.ready, found.trouble) == (False, None)


@pytest.mark.parametrize("body", ["[1]", "null", "{", "\xff"])
def test_nonsense_is_no_answer(body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body.encode("latin-1"), content_type="application/json")

    assert observe([pod()], answer)[0].status is None


def test_a_page_or_a_redirect_is_no_answer() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("/other")

    assert observe([pod()], page)[0].status is None
    assert observe([pod()], elsewhere)[0].status is None
    assert observe([pod()])[0].status is None


def test_too_much_is_no_answer() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"a": "')
        for _ in range(64):
            await response.write(b"x" * (1 << 17))
        await response.write(b'"}')
        return response

    assert observe([pod()], endless)[0].status is None


def test_silent_pods_hold_up_nobody_for_long() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.json_response({})

    began = time.monotonic()
    found = observe([pod(str(number)) for number in range(30)], slow)
    assert time.monotonic() - began < 10
    assert {each.status for each in found} == {None}


def container(state: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": "consumer", "state": state, "lastState": last or {}}


RUNS: dict[str, Any] = {"running": {}}
TROUBLES = {
    "crashes": (
        waiting("CrashLoopBackOff", "back-off 20s", lastState=ended(1, message="no topic\n")),
        "exit status 1: no topic",
    ),
    "crashes for memory": (waiting("CrashLoopBackOff", lastState=ended(137, "OOMKilled")), "OOMKilled"),
    "no image": (
        waiting("ImagePullBackOff", "Back-off pulling image x"),
        "ImagePullBackOff: Back-off pulling",
    ),
    "no secret": (waiting("CreateContainerConfigError", 'secret "s" not found'), 'secret "s" not found'),
    "memory": (container(ended(137, "OOMKilled")), "OOMKilled"),
    "memory before": (container(RUNS, ended(137, "OOMKilled")), "OOMKilled"),
    "ended": (container(ended(2)), "exit status 2"),
    "starts": (waiting("ContainerCreating"), None),
    "runs again": (container(RUNS, ended(1)), None),
    "done": (container(ended(0, "Completed")), None),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_trouble(case: str) -> None:
    given, said = TROUBLES[case]
    [found] = observe([pod(conditions=[], containerStatuses=[container(RUNS), given])])
    if said is None:
        assert found.trouble is None
    else:
        assert found.trouble is not None
        assert said in found.trouble
        assert "20s" not in found.trouble, "another text every few seconds"


def test_a_ready_pod_has_no_trouble() -> None:
    containers = [{"name": "c", "state": {"running": {}}, "lastState": ended(137, "OOMKilled")}]
    assert observe([pod(containerStatuses=containers)])[0].trouble is None


def test_a_pod_without_a_node() -> None:
    conditions = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    ]
    [found] = observe([pod(phase="Pending", podIP=None, conditions=conditions)])
    assert found.trouble == "Unschedulable: 0/1 nodes"
