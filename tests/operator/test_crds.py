"""A real API server takes the definitions, refuses what is bad, and names the field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from doublegate.contract.resource import parse_consumer
from tests import bad_resources as resources

if TYPE_CHECKING:
    from collections.abc import Callable

    Kubectl = Callable[..., str]

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("crds")]


def put(kubectl: Kubectl, namespace: str, resource: resources.Object) -> Any:
    answer = kubectl(f"--namespace={namespace}", "apply", "-f", "-", "-o", "json", stdin=json.dumps(resource))
    return json.loads(answer)


@pytest.mark.parametrize("change", resources.GOOD, ids=str)
def test_a_good_consumer_is_taken_and_reads_the_same(
    change: resources.Object, kubectl: Kubectl, namespace: str
) -> None:
    given = resources.consumer(**change)
    made = put(kubectl, namespace, given)
    assert parse_consumer(made).spec == parse_consumer(given).spec


@pytest.mark.parametrize("bad", [*resources.CONSUMERS, *resources.SHAPES], ids=lambda bad: bad.name)
def test_a_bad_consumer_is_refused(bad: resources.Bad, kubectl: Kubectl, namespace: str) -> None:
    with pytest.raises(AssertionError) as refused:
        put(kubectl, namespace, resources.consumer(**bad.change))
    assert bad.field in str(refused.value)


@pytest.mark.parametrize("bad", resources.REPLAYS, ids=lambda bad: bad.name)
def test_a_bad_replay_is_refused(bad: resources.Bad, kubectl: Kubectl, namespace: str) -> None:
    with pytest.raises(AssertionError) as refused:
        put(kubectl, namespace, resources.replay(**bad.change))
    assert bad.field in str(refused.value)


@pytest.mark.parametrize("bad", resources.UNCHANGEABLE, ids=lambda bad: bad.name)
def test_what_cannot_be_changed(bad: resources.Bad, kubectl: Kubectl, namespace: str) -> None:
    put(kubectl, namespace, resources.consumer())
    with pytest.raises(AssertionError) as refused:
        put(kubectl, namespace, resources.consumer(**bad.change))
    assert bad.field in str(refused.value)


def test_a_replay_cannot_be_changed(kubectl: Kubectl, namespace: str) -> None:
    put(kubectl, namespace, resources.replay())
    with pytest.raises(AssertionError, match="a replay is made once"):
        put(kubectl, namespace, resources.replay(rate=5))


def test_defaults_columns_and_names(kubectl: Kubectl, namespace: str) -> None:
    made = put(kubectl, namespace, resources.consumer())
    assert made["spec"]["ledger"]["ttl"] == "1h"
    assert made["spec"]["flow"]["concurrency"] == {"min": 1, "max": 64}
    assert "header" not in made["spec"].get("identity", {})
    listed = kubectl(f"--namespace={namespace}", "get", "idc", "-o", "wide").splitlines()
    assert listed[0].split()[:8] == ["NAME", "TOPIC", "GROUP", "MIN", "MAX", "REPLICAS", "LAG", "READY"]
    assert listed[1].split()[:5] == ["payments", "payments", "payments", "1", "12"]
    put(kubectl, namespace, resources.replay())
    both = kubectl(f"--namespace={namespace}", "get", "doublegate", "-o", "name").split()
    assert both == ["deadletterreplay.doublegate.dev/again", "idempotentconsumer.doublegate.dev/payments"]


def test_status_and_scale_are_subresources(kubectl: Kubectl, namespace: str) -> None:
    put(kubectl, namespace, resources.consumer())
    status = {"status": {"replicas": 3, "selector": "app=x", "lag": 7}}
    where = (
        f"--namespace={namespace}",
        "patch",
        "idc",
        "payments",
        "--type=merge",
        f"--patch={json.dumps(status)}",
    )
    kubectl(*where)
    assert "replicas" not in json.dumps(json.loads(_get(kubectl, namespace)).get("status", {}))
    kubectl(*where, "--subresource=status")
    assert json.loads(_get(kubectl, namespace))["status"]["lag"] == 7
    scale = json.loads(_get(kubectl, namespace, "--subresource=scale"))
    assert (scale["spec"]["replicas"], scale["status"]) == (1, {"replicas": 3, "selector": "app=x"})


def test_long_names_are_refused(kubectl: Kubectl, namespace: str) -> None:
    with pytest.raises(AssertionError, match="at most 52 characters"):
        put(kubectl, namespace, resources.consumer() | {"metadata": {"name": "x" * 53}})


def _get(kubectl: Kubectl, namespace: str, *more: str) -> str:
    return kubectl(f"--namespace={namespace}", "get", "idc", "payments", "-o", "json", *more)
