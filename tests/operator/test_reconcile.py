"""The operator on a real API server, with the rights of the chart: from apply to delete, and two of them."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from lightkube import ApiError
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from doublegate.contract.record import Field, Kind
from doublegate_operator.core.facts import Failure, LatestSchema
from doublegate_operator.core.reasons import Reason
from doublegate_operator.shell.kinds import (
    CONFIG_MAP,
    CONSUMER,
    DEPLOYMENT,
    EVENT,
    LEASE,
    NETWORK_POLICY,
    SCALED_OBJECT,
    SERVICE,
)
from doublegate_operator.shell.kube import ApiLeases
from tests.operator.running import LEASE_NAME, Place, operating, place, until
from tests.unit.operator_shell.election import run, the_election
from tests.unit.operator_shell.fakes import FakeParts, resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lightkube import Client

    from tests.operator.api_server import ApiServer

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("crds")]


@pytest.fixture
def where(api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A namespace of its own; kopf finds its way by the environment."""
    made = place(api_server.kubeconfig, tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(made.confined))
    return made


def _applied(**spec: Any) -> dict[str, Any]:
    """What a person applies."""
    whole = resource(**spec)
    whole["metadata"] = {"name": whole["metadata"]["name"]}
    return whole


def test_apply_makes_objects_change_rolls_them_and_delete_ends_it(where: Place) -> None:
    async def main() -> None:
        parts = FakeParts()
        async with operating(where, parts) as operator:
            made = await operator.apply(CONSUMER, _applied())
            deployment = await operator.until_there(DEPLOYMENT)
            owner = deployment["metadata"]["ownerReferences"][0]
            assert (owner["uid"], owner["controller"]) == (made["metadata"]["uid"], True)
            assert await operator.get(SERVICE)
            assert await operator.get(CONFIG_MAP, "payments-config")
            await until(lambda: operator.condition("TopicsReady"))
            status = (await operator.get(CONSUMER) or {})["status"]
            assert status["observedGeneration"] == 1
            assert {c["observedGeneration"] for c in status["conditions"]} == {1}
            assert (await operator.condition("Ready"))[0] == "False"

            template = deployment["spec"]["template"]["metadata"]["annotations"]
            await operator.apply(CONSUMER, _applied(paused=True))

            async def rolled() -> bool:
                now = await operator.get(DEPLOYMENT) or {}
                return bool(now["spec"]["template"]["metadata"]["annotations"] != template)

            await until(rolled)

            async def paused() -> bool:
                return await operator.condition("Paused") == ("True", "Paused")

            await until(paused)

            # Gone at once: nothing holds it, and nothing of it is made anew.
            await operator.kube.delete(CONSUMER, where.name, "payments")
            assert await operator.get(CONSUMER) is None
            await operator.kube.delete(DEPLOYMENT, where.name, "payments")
            await operator.apply(CONSUMER, _applied() | {"metadata": {"name": "later"}})
            await operator.until_there(DEPLOYMENT, "later")
            assert await operator.get(DEPLOYMENT) is None

    asyncio.run(main())


def test_drift_is_repaired_within_ten_seconds_by_the_watch_alone(where: Place) -> None:
    async def main() -> None:
        async with operating(where, FakeParts(), resync=3600) as operator:
            await operator.apply(CONSUMER, _applied())
            deployment = await operator.until_there(DEPLOYMENT)
            policy = await operator.until_there(NETWORK_POLICY)

            image = copy.deepcopy(deployment["spec"]["template"]["spec"])
            image["containers"][0]["image"] = "registry.example/evil:1"
            started = time.monotonic()
            await operator.kube.merge(
                DEPLOYMENT, where.name, "payments", {"spec": {"replicas": 3, "template": {"spec": image}}}
            )
            await operator.kube.delete(NETWORK_POLICY, where.name, "payments")

            async def as_specified() -> bool:
                now = await operator.get(DEPLOYMENT) or {}
                containers = now["spec"]["template"]["spec"]["containers"]
                return bool(containers[0]["image"] == "registry.example/payments:1")

            await until(as_specified, 10)
            again = await operator.until_there(NETWORK_POLICY, seconds=10)
            assert time.monotonic() - started < 10
            assert again["spec"] == policy["spec"]
            assert (await operator.get(DEPLOYMENT) or {})["spec"]["replicas"] == 3  # never ours

            async def told() -> bool:
                events, _ = await operator.kube.list(EVENT, where.name)
                return any(event["reason"] == "DriftRepaired" for event in events)

            await until(told)

    asyncio.run(main())


def test_what_is_as_it_should_be_is_not_written_again(where: Place) -> None:
    async def main() -> None:
        async with operating(where, FakeParts(), resync=1) as operator:
            await operator.apply(CONSUMER, _applied())
            await operator.until_there(DEPLOYMENT)

            async def versions() -> list[str]:
                names = {CONFIG_MAP: "payments-config"}
                kinds = (CONFIG_MAP, SERVICE, NETWORK_POLICY, DEPLOYMENT)
                raws = [await operator.get(kind, names.get(kind, "payments")) for kind in kinds]
                return [raw["metadata"]["resourceVersion"] for raw in raws if raw is not None]

            seen: list[list[str]] = [[]]

            async def settled() -> bool:
                seen.append(await versions())
                await asyncio.sleep(1)
                return seen[-1] == seen[-2]

            await until(settled)
            await asyncio.sleep(4)  # four lists and a look, after which nothing shall have happened
            assert await versions() == seen[-1]

    asyncio.run(main())


def test_kafka_away_is_a_condition_and_comes_back(where: Place) -> None:
    async def main() -> None:
        away = Failure(Reason.KAFKA_UNAVAILABLE, "Kafka at kafka:9092 does not answer.")
        parts = FakeParts(kafka_failure=away)
        async with operating(where, parts) as operator:
            await operator.apply(CONSUMER, _applied())

            async def said() -> bool:
                return await operator.condition("TopicsReady") == ("False", "KafkaUnavailable")

            await until(said)
            assert await operator.condition("Reconciling") == ("True", "KafkaUnavailable")
            assert await operator.get(DEPLOYMENT) is None
            parts.kafka_failure = None
            await operator.until_there(DEPLOYMENT, seconds=45)
            assert not operator.failed

    asyncio.run(main())


def test_pods_that_cannot_read_the_latest_schema_are_not_made(where: Place) -> None:
    amount = {"amount": Field("long", frozenset({Kind.INTEGER}))}
    whole = {"required": True, "takes": ["object"]}
    reads = {"": whole, "amount": {"required": True, "takes": ["integer"]}}
    schema = {"registryUrl": "http://registry:8080", "reads": reads}

    async def main() -> None:
        parts = FakeParts(latest=LatestSchema(2))
        async with operating(where, parts, resync=1) as operator:

            async def refused() -> bool:
                return await operator.condition("SchemaCompatible") == ("False", "FieldUnreadable")

            async def image() -> str:
                # Nothing tells of a new schema: a look comes within half a minute.
                template = (await operator.until_there(DEPLOYMENT, seconds=60))["spec"]["template"]
                return str(template["spec"]["containers"][0]["image"])

            await operator.apply(CONSUMER, _applied(schema=schema))
            await until(refused)
            assert await operator.condition("Ready") == ("False", "FieldUnreadable")
            assert await operator.condition("Stalled") == ("True", "FieldUnreadable")
            [said] = [
                one["message"]
                for one in (await operator.get(CONSUMER) or {})["status"]["conditions"]
                if one["type"] == "SchemaCompatible"
            ]
            assert "version 2 of subject payments-value: field amount: " in said

            async def level_set() -> bool:
                return parts.compatibility == "FULL_TRANSITIVE"

            await until(level_set)  # all the same, as topics
            assert await operator.get(DEPLOYMENT) is None

            parts.latest = LatestSchema(3, amount)
            assert await image() == "registry.example/payments:1", "without a change of the resource"

            parts.latest = LatestSchema(4)
            await operator.apply(CONSUMER, _applied(schema=schema, image="registry.example/payments:2"))
            await until(refused)
            await asyncio.sleep(2)  # looks that shall change nothing
            assert await image() == "registry.example/payments:1"

            taken = {**schema, "reads": {"amount": {"required": False, "takes": ["integer"]}}}
            await operator.apply(CONSUMER, _applied(schema=taken, image="registry.example/payments:2"))

            async def rolled() -> bool:
                return await image() == "registry.example/payments:2"

            await until(rolled)

            async def compatible() -> bool:
                return await operator.condition("SchemaCompatible") == ("True", "AsSpecified")

            await until(compatible)
            assert not operator.failed

    asyncio.run(main())


def test_an_object_of_somebody_else_is_left_alone(where: Place) -> None:
    async def main() -> None:
        async with operating(where, FakeParts()) as operator:
            theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "payments"}}
            await operator.apply(SERVICE, {**theirs, "spec": {"ports": [{"port": 99}]}})
            await operator.apply(CONSUMER, _applied())

            async def said() -> bool:
                return await operator.condition("Ready") == ("False", "ConflictingObject")

            await until(said)
            assert (await operator.get(SERVICE) or {})["spec"]["ports"][0]["port"] == 99
            assert await operator.get(DEPLOYMENT)  # the others are made

    asyncio.run(main())


def test_a_kind_that_comes_later_is_used(where: Place, client: Client) -> None:
    definition = _definition("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects")
    with contextlib.suppress(ApiError):
        client.delete(CustomResourceDefinition, definition.metadata.name)

    async def main() -> None:
        async with operating(where, FakeParts(), resync=1) as operator:
            await operator.apply(CONSUMER, _applied())
            await operator.until_there(DEPLOYMENT)

            async def missing() -> bool:
                return await operator.condition("ScalingReady") == ("False", "KedaMissing")

            await until(missing)
            client.create(definition)
            await operator.until_there(SCALED_OBJECT)
            # Watched, too.
            await operator.kube.delete(SCALED_OBJECT, where.name, "payments")
            await operator.until_there(SCALED_OBJECT)
            await operator.apply(CONSUMER, _applied(scaling={"mode": "Manual"}))

            async def pruned() -> bool:
                return await operator.get(SCALED_OBJECT) is None

            await until(pruned)

    try:
        asyncio.run(main())
    finally:
        client.delete(CustomResourceDefinition, definition.metadata.name)


def _definition(group: str, version: str, kind: str, plural: str) -> CustomResourceDefinition:
    """Of a kind that takes everything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return CustomResourceDefinition.from_dict(
        {
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [
                    {
                        "name": version,
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": anything},
                    }
                ],
            },
        }
    )


def test_a_stopped_leader_hands_over_and_a_killed_one_is_replaced(where: Place) -> None:
    async def main() -> None:
        async def holder() -> str:
            lease = await first.get(LEASE, LEASE_NAME) or {}
            return str(lease.get("spec", {}).get("holderIdentity", ""))

        parts = {name: FakeParts() for name in ("a", "b", "c")}
        async with operating(where, parts["a"], "a") as first:

            async def held_by(name: str) -> bool:
                return await holder() == name

            await until(lambda: held_by("a"))
            async with (
                operating(where, parts["b"], "b") as second,
                operating(where, parts["c"], "c") as third,
            ):
                await first.apply(CONSUMER, _applied())
                await first.until_there(DEPLOYMENT)
                assert parts["a"].done
                assert not parts["b"].done
                assert not parts["c"].done

                started = time.monotonic()
                await first.stop()

                async def next_one() -> bool:
                    return await holder() in ("b", "c")

                await until(next_one, 5)
                assert time.monotonic() - started < 5
                leader, standby = (second, third) if await holder() == "b" else (third, second)
                name = "c" if leader is second else "b"

                await leader.kill()
                started = time.monotonic()
                await standby.apply(CONSUMER, _applied(paused=True))
                await until(lambda: held_by(name), 20)

                async def acts() -> bool:
                    return await standby.condition("Paused") == ("True", "Paused")

                await until(acts, 20)
                assert time.monotonic() - started < 20

    asyncio.run(main())


def test_the_election_on_a_real_lease(where: Place) -> None:
    client = where.kube()._client
    run(the_election(lambda _name: ApiLeases(client, where.name, LEASE_NAME), pause=0.01))


@pytest.fixture
def process(where: Place, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The operator as its image runs it."""
    prefix = "DOUBLEGATE_OPERATOR_"
    given = {"POD_NAME": "op-1", "POD_NAMESPACE": where.name, "METRICS_PORT": "0", "LEASE_NAME": LEASE_NAME}
    env = {**os.environ, **{f"{prefix}{name}": value for name, value in given.items()}}
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "doublegate_operator"]
        made = subprocess.Popen(command, env=env, stderr=log)
        yield made
        made.kill()
        made.wait(10)


@pytest.mark.timeout(300)  # it imports for 3 s of CPU, which is a minute on a busy machine
def test_the_process_with_every_part_away_and_sigterm(
    where: Place, process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    async def main() -> None:
        kube = where.kube()

        async def held() -> bool:
            lease = await kube.get(LEASE, where.name, LEASE_NAME) or {}
            return bool(lease.get("spec", {}).get("holderIdentity") == "op-1")

        await until(held, 150)
        async with operating(where, FakeParts(), "standby") as operator:
            kafka = {"bootstrapServers": "127.0.0.1:1", "topic": "payments", "group": "shop"}
            ledger = {"url": "redis://127.0.0.1:1/0"}
            await operator.apply(CONSUMER, _applied(kafka=kafka, ledger=ledger))

            async def said() -> bool:
                return await operator.condition("TopicsReady") == ("False", "KafkaUnavailable")

            await until(said, 60)
            assert await operator.condition("LedgerReady") == ("False", "LedgerUnavailable")
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            assert await asyncio.to_thread(process.wait, 20) == 0
            await operator.until_there(DEPLOYMENT)  # the standby's parts are there
            assert time.monotonic() - started < 15

    asyncio.run(main())
    log = (tmp_path / "log").read_text()
    assert "gave the lease back" in log
    assert "Traceback" not in log
