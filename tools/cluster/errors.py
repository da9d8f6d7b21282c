"""What can go wrong with the cluster; every message names the part and the next step."""

from __future__ import annotations

from doublegate.local.errors import LocalStackError

__all__ = ["ClusterError", "NotPossibleHere"]


class ClusterError(LocalStackError):
    """Something about the cluster did not work."""


class NotPossibleHere(ClusterError):
    """This machine can't carry the cluster, as it is; the message says what would."""
