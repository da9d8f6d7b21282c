"""What every pod of ours has in common, and what it takes over from `spec.pod`."""

from __future__ import annotations

from doublegate.contract.platform_spec import PodSpec
from doublegate_operator.core.wanted import Object

__all__ = ["RESTRICTED", "environment", "scheduling"]

RESTRICTED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def environment(pod: PodSpec) -> Object:
    """Of a container; empty where nothing is given."""
    return _given({"env": pod.env, "envFrom": pod.env_from})


def scheduling(pod: PodSpec) -> Object:
    """Where pods may run, and who pulls their images; empty where nothing is given."""
    return _given(
        {
            "nodeSelector": pod.node_selector,
            "tolerations": pod.tolerations,
            "affinity": pod.affinity,
            "priorityClassName": pod.priority_class_name,
            "imagePullSecrets": pod.image_pull_secrets,
        }
    )


def _given(optional: Object) -> Object:
    return {key: value for key, value in optional.items() if value}
