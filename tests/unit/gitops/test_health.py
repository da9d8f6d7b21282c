"""Argo CD's Lua and Flux's CEL, run for real on every state: each is right, and they agree."""

from __future__ import annotations

from typing import Any

import cel
import pytest
from lupa import lua51

from tests.unit.gitops.files import one
from tests.unit.gitops.states import STATES, each_state

ARGO = {
    key.removeprefix("resource.customizations.health."): script
    for key, script in one("argocd/health", "argocd-cm")["data"].items()
}
FLUX = {check["kind"]: check for check in one("flux", "consumers")["spec"]["healthCheckExprs"]}
IN_FLUX = {"Progressing": "inProgress", "Degraded": "failed", "Healthy": "current", "Suspended": "current"}


def argo(script: str, resource: dict[str, Any]) -> tuple[str, str]:
    """As Argo CD runs it: Lua 5.1 without the libraries that it withholds."""
    lua = lua51.LuaRuntime()
    for name in ("string", "io", "math", "debug", "coroutine", "require"):
        lua.globals()[name] = None
    lua.globals()["obj"] = lua.table_from(resource, recursive=True)
    found = lua.execute(script)
    return found["status"], found["message"]


def flux(checks: dict[str, str], resource: dict[str, Any]) -> str:
    """As Flux evaluates them: in this order, and an old generation needs no expression."""
    generation = resource.get("status", {}).get("observedGeneration")
    if generation is not None and generation != resource["metadata"]["generation"]:
        return "inProgress"
    if "status" not in resource:  # Flux can't evaluate them, and asks again until its timeout
        with pytest.raises(RuntimeError, match="status"):
            cel.evaluate(checks["inProgress"], resource)
        return "inProgress"
    told = [name for name in ("inProgress", "failed", "current") if cel.evaluate(checks[name], resource)]
    return next(iter(told), "inProgress")


@each_state
def test_argo_cd_tells_the_health(resource: dict[str, Any], health: str) -> None:
    script = ARGO[f"doublegate.dev_{resource['kind']}"]
    assert argo(script, resource)[0] == health


@each_state
def test_flux_agrees(resource: dict[str, Any], health: str) -> None:
    assert flux(FLUX[resource["kind"]], resource) == IN_FLUX[health]


@each_state
def test_the_expressions_alone_see_an_old_generation(resource: dict[str, Any], health: str) -> None:
    seen = resource.get("status", {}).get("observedGeneration")
    if seen is not None:
        stale = cel.evaluate(FLUX[resource["kind"]]["inProgress"], resource)
        assert stale == (seen != resource["metadata"]["generation"])


def test_the_message_has_the_reason_and_its_words() -> None:
    resource, _ = STATES["refused"]
    said = argo(ARGO["doublegate.dev_IdempotentConsumer"], resource)
    assert said == ("Degraded", "Invalid: spec.kafka.topic: missing")


def test_every_health_there_is_has_a_state() -> None:
    assert {told for _, told in STATES.values()} == set(IN_FLUX)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ("Progressing", "")),
        ({"status": {}}, ("Progressing", "")),
        ({"status": {"health": {"status": "Healthy"}}}, ("Healthy", "")),
        ({"status": {"health": {"status": "Degraded", "message": "no"}}}, ("Degraded", "no")),
    ],
)
def test_an_application_has_the_health_of_what_is_in_it(given: dict[str, Any], told: tuple[str, str]) -> None:
    assert argo(ARGO["argoproj.io_Application"], given) == told
