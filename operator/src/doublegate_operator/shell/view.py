"""What the cluster has now, as far as it concerns us, in memory: a look at a resource asks the API nothing.

Three things keep it up to date: lists, every `resync` seconds; watches in between; and the answers to our own
writes. Each object has its version, and an older one never replaces a newer one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from doublegate_operator.shell.kinds import (
    CONSUMER,
    DEPLOYMENT,
    JOB,
    OPTIONAL,
    POD,
    REPLAY,
    SCALED_OBJECT,
    Kind,
)
from doublegate_operator.shell.kube import version_of

__all__ = ["Key", "Known", "View", "content_digest", "controller_of", "instance_of", "key_of"]

Raw = Mapping[str, Any]

_NOISE = ("managedFields", "resourceVersion", "generation", "creationTimestamp")
_NOT_CONTENT = {"status": None, "apiVersion": None, "kind": None}
"""Lists leave out at each item what kind it is, answers and watches don't."""
_INSTANCE = "app.kubernetes.io/instance"
_OURS = ("app.kubernetes.io/name", "doublegate-consumer")


class Key(NamedTuple):
    """A resource that is looked at."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Known:
    """An object as it was last seen.

    Attributes:
        raw: the object, without the API server's books about its fields.
        digest: of what somebody wrote into it: all but its status.
        facts: of what concerns us in it.
    """

    raw: Raw
    digest: str
    facts: str


class View:
    """All objects of the kinds that the operator reads.

    Attributes:
        served: kinds that could be listed.
    """

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[tuple[str, str], Known]] = {}
        self.served: frozenset[Kind] = frozenset()

    def get(self, kind: Kind, namespace: str, name: str) -> Known | None:
        """An object; None when there is none, or none with our labels."""
        return self._objects.get(kind, {}).get((namespace, name))

    def all(self, kind: Kind) -> Iterator[Raw]:
        """All of a kind."""
        return (known.raw for known in list(self._objects.get(kind, {}).values()))

    def of(self, kind: Kind, namespace: str, instance: str) -> Iterator[Known]:
        """Those of a consumer, by their labels."""
        for (where, _), known in list(self._objects.get(kind, {}).items()):
            if where == namespace and instance_of(known.raw) == instance:
                yield known

    def lacks(self, kind: Kind) -> bool:
        """Whether the cluster has no such kind."""
        return kind in OPTIONAL and kind not in self.served

    def seen(self, kind: Kind, raw: Raw, *, deleted: bool = False) -> bool:
        """An object as somebody told of it.

        Returns:
            Whether anything changed that concerns us.
        """
        where = (raw["metadata"].get("namespace", ""), raw["metadata"]["name"])
        objects = self._objects.setdefault(kind, {})
        former = objects.get(where)
        if former is not None and version_of(raw) <= version_of(former.raw):
            return False
        if deleted:
            return objects.pop(where, None) is not None
        known = _known(kind, raw)
        objects[where] = known
        return former is None or former.facts != known.facts

    def listed(self, kind: Kind, namespace: str | None, items: Iterable[Raw], version: int) -> list[Raw]:
        """All objects of a kind in a namespace, or in all, as they were at that version.

        Returns:
            Those that changed in a way that concerns us, the vanished included.
        """
        found = {(raw["metadata"].get("namespace", ""), raw["metadata"]["name"]): raw for raw in items}
        changed = [raw for raw in found.values() if self.seen(kind, raw)]
        objects = self._objects.setdefault(kind, {})
        for where, known in list(objects.items()):
            mine = namespace is None or where[0] == namespace
            if mine and where not in found and version_of(known.raw) <= version:
                del objects[where]
                changed.append(known.raw)
        return changed

    def drop(self, kind: Kind) -> None:
        """The kind is not served any more."""
        self._objects.pop(kind, None)


def key_of(kind: Kind, raw: Raw) -> Key | None:
    """The resource that an object belongs to; None when it is nobody's."""
    meta = raw["metadata"]
    if kind in (CONSUMER, REPLAY):
        return Key(kind, meta["namespace"], meta["name"])
    owner = controller_of(raw) or {}
    if owner.get("kind") == REPLAY.kind:
        return Key(REPLAY, meta["namespace"], owner["name"])
    name = instance_of(raw)
    return None if name is None else Key(CONSUMER, meta["namespace"], name)


def instance_of(raw: Raw) -> str | None:
    """The consumer that an object is of, by its labels."""
    labels = raw["metadata"].get("labels") or {}
    return labels.get(_INSTANCE) if labels.get(_OURS[0]) == _OURS[1] else None


def controller_of(raw: Raw) -> Raw | None:
    """The owner that the garbage collector and we go by."""
    owners: list[Raw] = raw["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def content_digest(raw: Raw) -> str:
    """Of what somebody wrote into an object."""
    meta = {name: value for name, value in raw["metadata"].items() if name not in _NOISE}
    return _digest({**raw, "metadata": meta, **_NOT_CONTENT})


def _known(kind: Kind, raw: Raw) -> Known:
    meta = {name: value for name, value in raw["metadata"].items() if name != "managedFields"}
    digest = content_digest(raw)
    return Known({**raw, "metadata": meta}, digest, _facts(kind, raw, digest))


def _facts(kind: Kind, raw: Raw, digest: str) -> str:
    meta, status = raw["metadata"], raw.get("status") or {}
    if kind in (CONSUMER, REPLAY):  # their status is our own writing
        return _digest([meta.get("uid"), meta.get("generation"), meta.get("deletionTimestamp")])
    if kind in (DEPLOYMENT, POD, JOB):
        return _digest([digest, status])
    if kind is SCALED_OBJECT:  # its status tells when it last scaled, too, every few seconds
        conditions = status.get("conditions") or []
        return _digest([digest, [(c.get("type"), c.get("status"), c.get("message")) for c in conditions]])
    return digest


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
