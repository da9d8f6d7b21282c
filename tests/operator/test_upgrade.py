"""From former definitions to today's, under resources that live and an operator that runs.

`former/` holds the definitions as the charts had them before the first release; they are never edited. A
release adds its own.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from doublegate_operator.core.reasons import Reason
from doublegate_operator.shell.kinds import CONSUMER, DEPLOYMENT
from doublegate_operator.shell.kube import Refused
from tests.operator.api_server import ApiServer
from tests.operator.conftest import CRDS
from tests.operator.running import Place, operating, place, until
from tests.unit.operator_shell.fakes import FakeParts, resource

if TYPE_CHECKING:
    from collections.abc import Iterator

LAX = {"metadata": {"name": "lax"}}
FORMER = Path(__file__).with_name("former")

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def older(api_server: ApiServer, tmp_path: Path) -> Iterator[ApiServer]:
    """A server of its own: definitions are the whole cluster's. The shared one is asked for only to skip."""
    with ApiServer(tmp_path / "server") as running:
        running.define(FORMER)
        yield running


def given(**spec: Any) -> dict[str, Any]:
    whole = resource(**spec)
    return {**whole, "metadata": {"name": whole["metadata"]["name"]}}


def test_resources_and_their_objects_outlive_an_upgrade(
    older: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: Place = place(older.kubeconfig, tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(where.confined))

    async def main() -> None:
        async with operating(where, FakeParts(), resync=1) as operator:
            await operator.apply(CONSUMER, given())
            made = await operator.until_there(DEPLOYMENT)
            await until(lambda: operator.condition("TopicsReady"))
            before = await operator.get(CONSUMER) or {}
            await operator.apply(
                CONSUMER, given(filter={"window": "400d"}) | LAX
            )  # which nothing refuses yet

            await asyncio.to_thread(older.define, CRDS)
            await operator.apply(CONSUMER, given())  # as a pipeline does after each upgrade
            after = await operator.get(CONSUMER) or {}
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            await until(lambda: operator.condition("TopicsReady"))
            deployment = await operator.get(DEPLOYMENT) or {}
            assert deployment["metadata"]["uid"] == made["metadata"]["uid"]
            assert deployment["spec"]["template"] == made["spec"]["template"]  # nothing was rolled

            # What is refused now and was there before can still be touched, and goes on being called invalid.
            with pytest.raises(Refused, match="window"):
                await operator.apply(CONSUMER, given(filter={"window": "400d"}))
            await operator.kube.merge(
                CONSUMER, where.name, "lax", {"metadata": {"labels": {"touched": "yes"}}}
            )
            lax = await until(lambda: labelled(operator))
            [ready] = [c for c in lax["status"]["conditions"] if c["type"] == "Ready"]
            assert (ready["status"], ready["reason"]) == ("False", Reason.INVALID)
            await operator.apply(CONSUMER, given(paused=True))
            await until(lambda: paused(operator))

    async def labelled(operator: Any) -> dict[str, Any] | None:
        found: dict[str, Any] = await operator.get(CONSUMER, "lax") or {}
        return found if "status" in found and found["metadata"].get("labels") else None

    async def paused(operator: Any) -> bool:
        return bool(await operator.condition("Paused") == ("True", "Paused"))

    asyncio.run(main())
