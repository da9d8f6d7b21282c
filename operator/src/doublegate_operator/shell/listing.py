"""Lists of all that the operator watches: at the start, and then every `resync` seconds.

They find what a broken watch missed, and which kinds the cluster has: a kind that can't be listed because it
is not served (no KEDA, no Prometheus operator) is no error, and the next list finds it once it is there.
"""

from __future__ import annotations

import asyncio
import logging

from doublegate_operator.shell.kinds import CONSUMER, JOB, OPTIONAL, OWNED, POD, REPLAY, Kind
from doublegate_operator.shell.kube import SELECTOR, Kube, NotServed, Refused
from doublegate_operator.shell.logs import Once
from doublegate_operator.shell.view import Key, View, key_of

__all__ = ["WATCHED", "Listing", "selector_of"]

log = logging.getLogger(__name__)

WATCHED = (CONSUMER, REPLAY, *OWNED, POD, JOB)


def selector_of(kind: Kind) -> dict[str, str]:
    """The labels that objects of a kind must have to concern us."""
    return {} if kind in (CONSUMER, REPLAY) else SELECTOR


class Listing:
    """Brings the view up to date.

    Args:
        kube: the API.
        view: to bring up to date.
        namespaces: to list; None for all at once.
    """

    def __init__(self, kube: Kube, view: View, namespaces: tuple[str, ...] | None) -> None:
        self._kube = kube
        self._view = view
        self._namespaces: tuple[str | None, ...] = (None,) if namespaces is None else namespaces
        self._once = Once(log)
        self._changed: set[Key] = set()
        """Not told yet: after a list that failed in part, the view has what the next one finds unchanged."""

    async def refresh(self) -> set[Key]:
        """List everything.

        Returns:
            Resources that something changed at since the last list that succeeded.

        Raises:
            Exception: the API server does not answer; the view is as it was, in part.
        """
        served: set[Kind] = set()
        answers = await asyncio.gather(*(self._kind(kind) for kind in WATCHED))
        for kind, found in zip(WATCHED, answers, strict=True):
            if found:
                served.add(kind)
            else:
                self._view.drop(kind)
        self._view.served = frozenset(served)
        changed, self._changed = self._changed, set()
        return changed

    async def _kind(self, kind: Kind) -> bool:
        """Whether it is there, in one namespace at least."""
        found = False
        for namespace in self._namespaces:
            try:
                items, version = await self._kube.list(kind, namespace, selector_of(kind))
            except NotServed:
                if kind not in OPTIONAL:
                    text = f"the cluster does not serve {kind}: install the chart doublegate-crds"
                    self._once.warning((kind, namespace), text)
                continue
            except Refused as refused:
                self._once.warning((kind, namespace), f"{refused}; see the chart's Role")
                continue
            found = True
            self._once.over((kind, namespace))
            raws = self._view.listed(kind, namespace, items, version)
            self._changed |= {key for raw in raws if (key := key_of(kind, raw)) is not None}
        return found
