"""What is known of the cluster: versions, lists, and what concerns us."""

from __future__ import annotations

from typing import Any

import pytest

from doublegate_operator.shell.kinds import (
    CONFIG_MAP,
    CONSUMER,
    DEPLOYMENT,
    JOB,
    POD,
    POD_MONITOR,
    REPLAY,
    SCALED_OBJECT,
    SERVICE,
)
from doublegate_operator.shell.view import Key, View, key_of

OURS = {"app.kubernetes.io/name": "doublegate-consumer", "app.kubernetes.io/instance": "payments"}


def _raw(version: int, name: str = "a", namespace: str = "shop", **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "resourceVersion": str(version), "labels": OURS}
    return {"metadata": {**meta, **more.pop("metadata", {})}, **more}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    view = View()
    assert view.seen(CONFIG_MAP, _raw(5, data={"a": "new"}))
    assert not view.seen(CONFIG_MAP, _raw(4, data={"a": "old"}))
    assert not view.seen(CONFIG_MAP, _raw(4), deleted=True)
    known = view.get(CONFIG_MAP, "shop", "a")
    assert known is not None
    assert known.raw["data"] == {"a": "new"}
    assert view.seen(CONFIG_MAP, _raw(6), deleted=True)
    assert view.get(CONFIG_MAP, "shop", "a") is None


def test_versions_are_numbers() -> None:
    view = View()
    view.seen(CONFIG_MAP, _raw(9, data={"a": "old"}))
    assert view.seen(CONFIG_MAP, _raw(10, data={"a": "new"}))


def test_a_list_finds_what_vanished_but_not_what_is_newer_than_itself_or_elsewhere() -> None:
    view = View()
    for raw in (_raw(3, "gone"), _raw(9, "made-since"), _raw(3, "elsewhere", "bank"), _raw(3, "same")):
        view.seen(SERVICE, raw)
    changed = view.listed(SERVICE, "shop", [_raw(3, "same"), _raw(4, "missed")], version=7)
    assert sorted(raw["metadata"]["name"] for raw in changed) == ["gone", "missed"]
    assert sorted(raw["metadata"]["name"] for raw in view.all(SERVICE)) == [
        "elsewhere",
        "made-since",
        "missed",
        "same",
    ]


@pytest.mark.parametrize(
    ("kind", "change", "concerns"),
    [
        (CONSUMER, {"status": {"lag": 3}}, False),
        (CONSUMER, {"metadata": {"generation": 2}}, True),
        (CONSUMER, {"metadata": {"uid": "other"}}, True),
        (CONSUMER, {"metadata": {"deletionTimestamp": "now"}}, True),
        (REPLAY, {"status": {"matched": 3}}, False),
        (DEPLOYMENT, {"status": {"readyReplicas": 1}}, True),
        (POD, {"status": {"phase": "Running"}}, True),
        (JOB, {"status": {"succeeded": 1}}, True),
        (SERVICE, {"status": {"loadBalancer": {}}}, False),
        (SERVICE, {"metadata": {"managedFields": [1]}}, False),
        (SERVICE, {"metadata": {"labels": {}}}, True),
        (SERVICE, {"spec": {"ports": []}}, True),
        (SCALED_OBJECT, {"status": {"lastActiveTime": "now"}}, False),
        (SCALED_OBJECT, {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, True),
    ],
)
def test_what_concerns_us(kind: Any, change: dict[str, Any], concerns: bool) -> None:
    view = View()
    view.seen(kind, _raw(1))
    assert view.seen(kind, _raw(2, **change)) is concerns


def test_whose_an_object_is() -> None:
    owner = {"kind": "DeadLetterReplay", "name": "again", "controller": True}
    assert key_of(SERVICE, _raw(1)) == Key(CONSUMER, "shop", "payments")
    assert key_of(CONSUMER, _raw(1, "x")) == Key(CONSUMER, "shop", "x")
    assert key_of(JOB, _raw(1, metadata={"ownerReferences": [owner]})) == Key(REPLAY, "shop", "again")
    assert key_of(SERVICE, _raw(1, metadata={"labels": {}})) is None
    assert key_of(SERVICE, _raw(1, metadata={"labels": {"app.kubernetes.io/instance": "x"}})) is None


def test_only_optional_kinds_can_be_lacking() -> None:
    view = View()
    view.served = frozenset({SERVICE})
    assert view.lacks(POD_MONITOR)
    assert not view.lacks(DEPLOYMENT)


def test_the_api_servers_books_are_not_kept() -> None:
    view = View()
    view.seen(SERVICE, _raw(1, metadata={"managedFields": [{"fieldsV1": "x" * 1000}]}))
    [raw] = view.all(SERVICE)
    assert "managedFields" not in raw["metadata"]
