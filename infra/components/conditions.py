"""Says why a consumer is not Ready: Pulumi's provider tells only that it waited in vain."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pulumi

from infra.sections import Cluster

__all__ = ["conditions_hook", "described"]

_SECONDS = 30


def conditions_hook(cluster: Cluster, namespace: str) -> pulumi.ErrorHook:
    """Shows the conditions of a consumer that failed, where `kubectl` is on the path; never tries again."""
    command = ["kubectl", f"--namespace={namespace}", f"--request-timeout={_SECONDS}s"]
    command += [f"--kubeconfig={cluster.kubeconfig}"] if cluster.kubeconfig else []
    command += [f"--context={cluster.context}"] if cluster.context else []

    def show(args: pulumi.ErrorHookArgs) -> bool:
        what = f"idempotentconsumer/{args.name}"
        try:
            said = subprocess.run(
                [*command, "get", what, "--output=json"], capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError):
            pulumi.log.error(f"{args.name}: see `kubectl --namespace {namespace} describe {what}`")
        else:
            for line in described(json.loads(said)):
                pulumi.log.error(line)
        return False

    return pulumi.ErrorHook("conditions", show)


def described(resource: dict[str, Any]) -> list[str]:
    """One line per condition, the ones that say no first."""
    conditions = resource.get("status", {}).get("conditions", [])
    name = resource["metadata"]["name"]
    lines = [
        f"{name}: {one['type']} is {one['status']}, {one['reason']}: {one['message']}"
        for one in sorted(conditions, key=lambda one: one["type"] not in {"Ready", "Stalled"})
    ]
    return lines or [f"{name}: has no conditions yet; is the operator running?"]
