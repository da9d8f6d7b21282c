"""Makes the cluster have what a plan wants, by server-side apply, and asks the API only where it differs.

For each object it is remembered what was applied and what the API server made of it. While both are what the
view has, there is nothing to do, so a look at unchanged objects makes no call at all. Whatever else
somebody wrote into an object leads to one more apply, which changes nothing where the change was not to what
is ours (an autoscaler's `replicas`), and otherwise repairs it: the watch tells of a drift at once, and the
next list of one that the watch missed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from doublegate_operator.core.facts import Failure
from doublegate_operator.core.meta import config_name
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.wanted import Object
from doublegate_operator.shell.kinds import OWNED, Kind, kind_of
from doublegate_operator.shell.kube import Kube, Refused
from doublegate_operator.shell.view import (
    Known,
    Raw,
    View,
    content_digest,
    controller_of,
    instance_of,
)

__all__ = ["Applied", "Applier", "Foreign", "failure_of"]


class Foreign(Exception):
    """The object of that name is somebody else's."""


def failure_of(problem: Refused | Foreign) -> Failure:
    """What to say of an object that could not be written."""
    reason = Reason.API_REFUSED if isinstance(problem, Refused) else Reason.CONFLICTING_OBJECT
    return Failure(reason, str(problem))


@dataclass
class Applied:
    """What an apply did.

    Attributes:
        failure: why an object is not as wanted; the others are.
        repaired: objects that somebody had changed or deleted.
    """

    failure: Failure | None = None
    repaired: list[str] = field(default_factory=list)


class Applier:
    """Applies and prunes.

    Args:
        kube: the API.
        view: what is there.
    """

    def __init__(self, kube: Kube, view: View) -> None:
        self._kube = kube
        self._view = view
        self._done: dict[tuple[Kind, str, str], tuple[str, str]] = {}
        """Digests of the manifest and of the object that the API server made of it."""

    async def apply(self, uid: str, objects: Iterable[Object]) -> Applied:
        """Apply what is not as it should be, in order; one that is refused does not stop the others.

        Args:
            uid: of the resource that owns them.
            objects: all that it wants.
        """
        done = Applied()
        for manifest in objects:
            try:
                repaired = await self._one(uid, manifest)
            except (Refused, Foreign) as problem:
                done.failure = done.failure or failure_of(problem)
            else:
                done.repaired += [repaired] if repaired else []
        return done

    async def prune(self, uid: str, namespace: str, name: str, wanted: Iterable[Object]) -> Failure | None:
        """Delete what the resource owns and does not want any more."""
        keep = {(kind_of(manifest), manifest["metadata"]["name"]) for manifest in wanted}
        for kind in OWNED:
            for known in self._view.of(kind, namespace, name):
                meta = known.raw["metadata"]
                owner = controller_of(known.raw) or {}
                if (kind, meta["name"]) in keep or owner.get("uid") != uid or "deletionTimestamp" in meta:
                    continue
                try:
                    await self._kube.delete(kind, namespace, meta["name"])
                except Refused as refused:
                    return failure_of(refused)
                self._done.pop((kind, namespace, meta["name"]), None)
        return None

    def forget(self, namespace: str, name: str) -> None:
        """The resource is gone; what it owned goes with it."""
        for kind in OWNED:
            for own in (name, config_name(name)):
                self._done.pop((kind, namespace, own), None)

    async def _one(self, uid: str, manifest: Object) -> str | None:
        """The object's name when it was repaired."""
        kind, meta = kind_of(manifest), manifest["metadata"]
        where = (kind, meta["namespace"], meta["name"])
        known, former = self._view.get(*where), self._done.get(where)
        wanted = _digest(manifest)
        if known is not None and former == (wanted, known.digest):
            return None
        await self._ours(uid, manifest, kind, known)
        made = await self._kube.apply(kind, manifest)
        self._view.seen(kind, made)
        self._done[where] = (wanted, content_digest(made))
        if former is None or former[0] != wanted:
            return None
        changed = known is None or known.digest != content_digest(made)
        return f"{kind} {meta['name']}" if changed else None

    async def _ours(self, uid: str, manifest: Object, kind: Kind, known: Known | None) -> None:
        """Raise `Foreign` when the object of that name is not this resource's."""
        meta = manifest["metadata"]
        found: Raw | None = known.raw if known is not None else None
        if found is None:
            found = await self._kube.get(kind, meta["namespace"], meta["name"])
        if found is None:
            return
        owner = controller_of(found)
        if owner is not None and owner.get("uid") == uid:
            return
        what = f"{kind} {meta['namespace']}/{meta['name']}"
        if owner is None and instance_of(found) == instance_of(manifest):
            return  # left behind by a deletion that let it live
        if owner is not None and owner.get("kind") == meta["ownerReferences"][0]["kind"]:
            raise Foreign(f"{what} still belongs to a former resource of this name; it is being removed.")
        raise Foreign(
            f"{what} exists and is not this resource's. Rename the resource, or delete that object."
        )


def _digest(manifest: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
