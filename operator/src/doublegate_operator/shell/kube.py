"""The Kubernetes API, as far as the operator needs it: plain mappings in, plain mappings out."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from httpx2 import HTTPStatusError
from lightkube import ApiError, AsyncClient
from lightkube.types import PatchType

from doublegate.contract.errors import DoublegateError
from doublegate_operator.shell.kinds import CONSUMER, LEASE, SECRET, Kind, built, resource, status_resource
from doublegate_operator.shell.lease import Lease, Taken

__all__ = ["MANAGER", "SELECTOR", "ApiLeases", "Kube", "NotServed", "Refused", "version_of"]

MANAGER = "doublegate-operator"
"""Our field manager, and the label `managed-by` of what is ours."""
SELECTOR = {"app.kubernetes.io/managed-by": MANAGER}

Raw = Mapping[str, Any]


class NotServed(DoublegateError):
    """The API server has no such kind."""


class Refused(DoublegateError):
    """The API server does not let us, or does not take it; the message says what and why."""


class Kube:
    """Thin functions over lightkube's client.

    Args:
        client: with `MANAGER` as its field manager.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.calls = 0
        """Requests sent, for the metrics."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Raw | None:
        """One object; None when there is none."""
        self.calls += 1
        try:
            return await self._client.get(resource(kind), name, namespace=namespace)
        except HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                return None
            raise _explained(error, "get", kind, namespace, name) from error

    async def list(
        self, kind: Kind, namespace: str | None, selector: Mapping[str, str] | None = None
    ) -> tuple[list[Raw], int]:
        """All objects of a kind, and the version that they were listed at.

        Raises:
            NotServed: the cluster has no such kind.
        """
        self.calls += 1
        labels: dict[str, Any] = dict(selector or {})
        found = self._client.list(resource(kind), namespace=namespace or "*", labels=labels)
        try:
            items: list[Raw] = [item async for item in found]
        except HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                raise NotServed(str(kind)) from error
            raise _explained(error, "list", kind, namespace or "all namespaces", "") from error
        return items, version_of({"metadata": {"resourceVersion": found.resourceVersion}})

    async def apply(self, kind: Kind, manifest: Raw) -> Raw:
        """Server-side apply; what we name is ours, whoever set it before.

        Raises:
            Refused: it is not allowed, or not valid.
        """
        self.calls += 1
        meta = manifest["metadata"]
        try:
            return await self._client.patch(
                resource(kind),
                meta["name"],
                dict(manifest),
                namespace=meta["namespace"],
                patch_type=PatchType.APPLY,
                force=True,
            )
        except HTTPStatusError as error:
            raise _explained(error, "apply", kind, meta["namespace"], meta["name"]) from error

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete it, and what it owns in the background; nothing when it is gone."""
        self.calls += 1
        try:
            await self._client.delete(resource(kind), name, namespace=namespace)
        except HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise _explained(error, "delete", kind, namespace, name) from error

    async def write_status(self, kind: Kind, of: Raw, status: Raw) -> Raw | None:
        """Write the whole status of that very object; None when it is gone by now."""
        self.calls += 1
        meta = of["metadata"]
        own = {key: meta[key] for key in ("name", "namespace", "uid")}
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": own, "status": status}
        try:
            return await self._client.patch(
                status_resource(kind),
                meta["name"],
                body,
                namespace=meta["namespace"],
                patch_type=PatchType.APPLY,
                force=True,
            )
        except HTTPStatusError as error:
            # Conflict: the object of that name is another by now.
            if error.response.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                return None
            raise _explained(error, "write the status of", kind, meta["namespace"], meta["name"]) from error

    async def get_secret(self, namespace: str, name: str) -> Raw | None:
        """A Secret with its values in base64; None when there is none."""
        return await self.get(SECRET, namespace, name)

    async def create(self, kind: Kind, manifest: Raw) -> Raw:
        """Write an object that is not there yet."""
        self.calls += 1
        meta = manifest["metadata"]
        try:
            made: Raw = await self._client.create(built(kind, manifest))
        except HTTPStatusError as error:
            raise _explained(error, "create", kind, meta["namespace"], meta["name"]) from error
        return made

    async def merge(self, kind: Kind, namespace: str, name: str, change: Raw) -> Raw | None:
        """Change some fields; None when the object is gone."""
        self.calls += 1
        try:
            return await self._client.patch(
                resource(kind), name, dict(change), namespace=namespace, patch_type=PatchType.MERGE
            )
        except HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                return None
            raise _explained(error, "patch", kind, namespace, name) from error

    async def alive(self, namespace: str, name: str, uid: str) -> bool | None:
        """Whether that very IdempotentConsumer still exists; None when we may not look there."""
        try:
            found = await self.get(CONSUMER, namespace, name)
        except Refused:
            return None
        return found is not None and found["metadata"]["uid"] == uid


class ApiLeases:
    """The Lease in the API server.

    Args:
        client: the API; not `Kube`, whose errors say too much for what happens every 2 s.
        namespace: of the Lease.
        name: its name.
    """

    def __init__(self, client: AsyncClient, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    async def get(self) -> Lease | None:
        """The Lease; None when there is none."""
        try:
            return await self._client.get(resource(LEASE), self._name, namespace=self._namespace)
        except HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def create(self, lease: Lease) -> Lease:
        """Write the first."""
        meta = {"name": self._name, "namespace": self._namespace}
        whole = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, **lease, "metadata": meta}
        try:
            made: Lease = await self._client.create(built(LEASE, whole))
        except HTTPStatusError as error:
            raise _taken(error) from error
        return made

    async def replace(self, lease: Lease) -> Lease:
        """Write over the one that was read."""
        try:
            made: Lease = await self._client.replace(
                built(LEASE, lease), self._name, namespace=self._namespace
            )
        except HTTPStatusError as error:
            raise _taken(error) from error
        return made


def version_of(raw: Raw) -> int:
    """The resourceVersion, which grows with every write (KEP-5504); 0 for none."""
    text = str(raw["metadata"].get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _taken(error: HTTPStatusError) -> Exception:
    # Not found: somebody deleted the Lease that was to be replaced.
    return Taken() if error.response.status_code in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND) else error


def _explained(error: HTTPStatusError, verb: str, kind: Kind, namespace: str, name: str) -> Exception:
    """`Refused` for what trying again does not change, and the error itself for the rest."""
    code = error.response.status_code
    if code == HTTPStatus.TOO_MANY_REQUESTS or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return error
    where = f"{namespace}/{name}" if name else namespace
    # An API group that is not served is answered in plain text, by which lightkube makes no ApiError.
    said = error.status.message if isinstance(error, ApiError) else error.response.text.strip()
    return Refused(f"The API server does not let the operator {verb} {kind} {where}: {said}")
