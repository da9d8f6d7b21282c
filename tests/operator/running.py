"""Operators on the real API server, with exactly the rights that the chart gives, in the test's own process.

Kafka and the other parts answer what a test says; everything of Kubernetes is real, controllers excepted:
nothing makes pods of Deployments, and nothing collects garbage.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from lightkube import AsyncClient, Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import Namespace, ServiceAccount, ServiceAccountToken
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

from doublegate_operator.shell.app import Operator
from doublegate_operator.shell.kinds import CONSUMER, LEASE, Kind
from doublegate_operator.shell.kube import MANAGER, Kube
from doublegate_operator.shell.settings import Settings
from tests.unit.charts.files import rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from doublegate_operator.shell.parts import Parts

__all__ = ["LEASE_NAME", "Place", "Running", "operating", "place", "until"]

T = TypeVar("T")
Raw = dict[str, Any]

LEASE_NAME = "doublegate-operator"
_ACCOUNT = "operator"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A namespace with an account for its operators.

    Attributes:
        name: of the namespace.
        confined: kubeconfig of that account.
        admin: kubeconfig of who may do everything.
    """

    name: str
    confined: Path
    admin: Path

    def kube(self) -> Kube:
        """The API for the test itself."""
        return Kube(AsyncClient(KubeConfig.from_file(self.admin), field_manager="test"))

    def settings(self, pod_name: str, **more: Any) -> Settings:
        """Of an operator that is here and watches here."""
        whole = {"pod_name": pod_name, "pod_namespace": self.name, "metrics_port": 0, "resync": 600, **more}
        return Settings.model_validate(whole)


def place(admin: Path, folder: Path) -> Place:
    """Make one."""
    name = f"shop-{time.time_ns() % 10**9}-{next(_numbers)}"
    client = Client(KubeConfig.from_file(admin), field_manager="test")
    client.create(Namespace(metadata=ObjectMeta(name=name)))
    meta = ObjectMeta(name=_ACCOUNT, namespace=name)
    client.create(ServiceAccount(metadata=meta))
    lease = [
        PolicyRule(apiGroups=[LEASE.group], resources=[LEASE.plural], verbs=["create"]),
        PolicyRule(
            apiGroups=[LEASE.group],
            resources=[LEASE.plural],
            resourceNames=[LEASE_NAME],
            verbs=["get", "update"],
        ),
    ]
    granted = [PolicyRule(**rule) for rule in rules()]  # type: ignore[arg-type]
    client.create(Role(metadata=meta, rules=[*granted, *lease]))
    client.create(
        RoleBinding(
            metadata=meta,
            roleRef=RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name=_ACCOUNT),
            subjects=[Subject(kind="ServiceAccount", name=_ACCOUNT, namespace=name)],
        )
    )
    asked = ServiceAccountToken(metadata=meta, spec=TokenRequestSpec(audiences=[]))
    token = client.create(asked, _ACCOUNT, namespace=name)
    config = yaml.safe_load(admin.read_text())
    config["users"] = [
        {"name": user["name"], "user": {"token": token.status.token}} for user in config["users"]
    ]
    confined = folder / "confined.yaml"
    confined.write_text(yaml.safe_dump(config))
    return Place(name, confined, admin)


class Running:
    """An operator that runs.

    Args:
        where: its place.
        operator: what runs.
    """

    def __init__(self, where: Place, operator: Operator) -> None:
        self._where = where
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(operator.run(self._stop))
        self.kube = where.kube()

    async def stop(self) -> None:
        """As by SIGTERM."""
        self._stop.set()
        await self._task

    async def kill(self) -> None:
        """It ends without a word; nothing gives the lease back."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def failed(self) -> bool:
        """Whether it came to an end that nobody asked for."""
        return self._task.done() and not self._task.cancelled() and self._task.exception() is not None

    async def apply(self, kind: Kind, raw: Raw) -> Raw:
        """A person applies an object here."""
        meta = {**raw["metadata"], "namespace": self._where.name}
        return dict(await self.kube.apply(kind, {**raw, "metadata": meta}))

    async def get(self, kind: Kind, name: str = "payments") -> Raw | None:
        """An object here."""
        found = await self.kube.get(kind, self._where.name, name)
        return None if found is None else dict(found)

    async def until_there(self, kind: Kind, name: str = "payments", seconds: float = 30) -> Raw:
        """An object, once it is here."""
        return await until(lambda: self.get(kind, name), seconds)

    async def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason; of the resource's present generation, or nothing."""
        found = await self.get(CONSUMER) or {}
        generation = found["metadata"]["generation"] if found else 0
        for condition in found.get("status", {}).get("conditions", []):
            if condition["type"] == kind and condition["observedGeneration"] == generation:
                return condition["status"], condition["reason"]
        return "", ""


@contextlib.asynccontextmanager
async def operating(
    where: Place, parts: Parts, pod_name: str = "op-1", **settings: Any
) -> AsyncIterator[Running]:
    """An operator; it is stopped at the end of the block, unless it was before."""
    client = AsyncClient(KubeConfig.from_file(where.confined), field_manager=MANAGER)
    running = Running(where, Operator(where.settings(pod_name, **settings), client, parts))
    try:
        yield running
    finally:
        if not running._task.done():
            await running.stop()


async def until(ask: Callable[[], Awaitable[T]], seconds: float = 30) -> T:
    """Ask until the answer is true, and return it; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s, the last answer was {answer!r}"
        await asyncio.sleep(0.1)
    return answer
