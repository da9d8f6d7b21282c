"""Lists: what is there, what is not served, what is forbidden."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from doublegate_operator.shell.kinds import CONSUMER, DEPLOYMENT, POD_MONITOR, REPLAY, SCALED_OBJECT
from doublegate_operator.shell.listing import Listing
from doublegate_operator.shell.view import Key, View
from tests.unit.operator_shell.fakes import FakeKube, resource


def _listing(kube: Any, namespaces: tuple[str, ...] | None = ("shop",)) -> tuple[Listing, View]:
    view = View()
    return Listing(kube, view, namespaces), view


def _deployment(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", "labels": labels}, "spec": {}}


def test_everything_is_new_at_first_and_nothing_afterwards() -> None:
    kube = FakeKube()
    kube.put(CONSUMER, resource())
    listing, view = _listing(kube)
    assert asyncio.run(listing.refresh()) == {Key(CONSUMER, "shop", "payments")}
    assert asyncio.run(listing.refresh()) == set()
    del kube.objects[CONSUMER, "shop", "payments"]
    assert asyncio.run(listing.refresh()) == {Key(CONSUMER, "shop", "payments")}
    assert list(view.all(CONSUMER)) == []


def test_what_a_list_found_that_failed_in_part_is_told_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an operator that starts while the API server does would never look at what was there."""
    kube = FakeKube()
    kube.put(CONSUMER, resource())
    listing, _ = _listing(kube)
    whole = kube.list

    async def starting(kind: Any, *rest: Any) -> Any:
        if kind == POD_MONITOR:
            raise ConnectionError("storage is (re)initializing")
        return await whole(kind, *rest)

    monkeypatch.setattr(kube, "list", starting)
    with pytest.raises(ConnectionError):
        asyncio.run(listing.refresh())
    monkeypatch.setattr(kube, "list", whole)
    assert asyncio.run(listing.refresh()) == {Key(CONSUMER, "shop", "payments")}
    assert asyncio.run(listing.refresh()) == set()


def test_only_objects_with_our_label_are_read() -> None:
    kube = FakeKube()
    kube.put(DEPLOYMENT, _deployment("theirs", {}))
    kube.put(DEPLOYMENT, _deployment("ours", {"app.kubernetes.io/managed-by": "doublegate-operator"}))
    listing, view = _listing(kube)
    asyncio.run(listing.refresh())
    assert [raw["metadata"]["name"] for raw in view.all(DEPLOYMENT)] == ["ours"]


def test_a_kind_that_comes_later_is_found_and_one_that_goes_is_forgotten() -> None:
    kube = FakeKube()
    kube.absent = {SCALED_OBJECT, POD_MONITOR, REPLAY}
    listing, view = _listing(kube)
    asyncio.run(listing.refresh())
    assert view.lacks(SCALED_OBJECT)
    kube.absent = {POD_MONITOR}
    asyncio.run(listing.refresh())
    assert not view.lacks(SCALED_OBJECT)
    assert REPLAY in view.served
    kube.absent = {SCALED_OBJECT}
    asyncio.run(listing.refresh())
    assert view.lacks(SCALED_OBJECT)
    assert not view.lacks(POD_MONITOR)


def test_a_forbidden_kind_is_told_once_with_the_next_step_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kube = FakeKube()
    kube.put(CONSUMER, resource())
    kube.forbidden = {POD_MONITOR}
    listing, view = _listing(kube)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            asyncio.run(listing.refresh())
    assert [record.getMessage() for record in caplog.records] == [
        "The API server does not let the operator list PodMonitor: forbidden; see the chart's Role"
    ]
    assert view.lacks(POD_MONITOR)
    assert list(view.all(CONSUMER))


def test_missing_crds_are_told_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    kube = FakeKube()
    kube.absent = {CONSUMER, SCALED_OBJECT}
    listing, _ = _listing(kube)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(listing.refresh()) == set()
    [told] = caplog.records
    assert "install the chart doublegate-crds" in told.getMessage()


def test_namespaces() -> None:
    kube = FakeKube()
    kube.put(CONSUMER, resource())
    for namespaces, found in ((None, 1), (("bank",), 0), (("bank", "shop"), 1)):
        listing, _ = _listing(kube, namespaces)
        assert len(asyncio.run(listing.refresh())) == found
