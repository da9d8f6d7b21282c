"""Pulumi's command line and Automation API on the program, with a state of their own in a folder."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulumi import automation as auto
from pulumi.runtime._callbacks import _CallbackServicer

from infra.credentials import lacking
from infra.settings import NAMESPACE
from infra.stack import run
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["REAL_PROVIDER", "Engine", "nested"]

REAL_PROVIDER = "PULUMI_KUBERNETES_PROVIDER"
"""Environment variable: path of a real pulumi-resource-kubernetes, to be used instead of the test double."""

_ROOT = Path(__file__).parents[3]
_STAND_IN = Path(__file__).with_name("stand_in_provider.py")
_PROVIDER = "pulumi-resource-kubernetes"


class Engine:
    """One stack.

    Args:
        home: a folder of its own.
        kubeconfig: of the cluster.
        values: the stack's configuration without secrets, by name without the namespace.
    """

    def __init__(self, home: Path, kubeconfig: Path, values: Mapping[str, Any]) -> None:
        state = self.state = home / "state"
        state.mkdir(parents=True)
        self.environment = {
            "PULUMI_HOME": str(home / "pulumi"),
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "STAND_IN_KUBECTL": str(builds.KUBERNETES.program("kubectl")),
            "STAND_IN_VERSION": version("pulumi-kubernetes"),
            "PYTHONPATH": str(_ROOT),
            "HOME": str(home),
        }
        _install(home / "pulumi" / "plugins")
        # Where the Automation API looks for the program, in a folder `bin`.
        root = home / "command"
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "pulumi").symlink_to(builds.PULUMI.program("pulumi"))
        work = home / "work"
        work.mkdir()
        self.stack = auto.create_or_select_stack(
            "test",
            project_name=NAMESPACE,
            program=run,
            opts=auto.LocalWorkspaceOptions(
                work_dir=str(work),
                env_vars=self.environment,
                pulumi_command=auto.PulumiCommand(str(root), skip_version_check=True),
            ),
        )
        self.values = {**values, "cluster": {"kubeconfig": str(kubeconfig)}}
        self.configure(self.values)

    def configure(self, values: Mapping[str, Any]) -> None:
        """Set these values, and the secrets that they want and that are not there yet."""
        self.values = {**self.values, **values}
        texts = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in self.values.items()
        }
        made = nested(lacking(texts))
        if made:
            self.values["secrets"] = texts["secrets"] = json.dumps(
                _merged(json.loads(texts.get("secrets", "{}")), made)
            )
        for name, text in texts.items():
            self.stack.set_config(f"{NAMESPACE}:{name}", auto.ConfigValue(text, secret=name == "secrets"))

    def up(self) -> dict[str, int]:
        """How many resources were created, changed, and so on."""
        _forget()
        return dict(self.stack.up(on_output=_show).summary.resource_changes or {})

    def preview(self) -> dict[str, int]:
        """What `up` would do."""
        _forget()
        planned = self.stack.preview(on_output=_show).change_summary
        return {str(kind): count for kind, count in planned.items()}

    def refresh(self) -> dict[str, int]:
        """What had changed behind its back."""
        _forget()
        return dict(self.stack.refresh(on_output=_show).summary.resource_changes or {})

    def destroy(self) -> None:
        """Remove all of it."""
        _forget()
        self.stack.destroy(on_output=_show)


def _forget() -> None:
    """Servers of hooks of a former run: only here are several runs in one process, and each stops all."""
    _CallbackServicer._servicers.clear()


def _install(plugins: Path) -> None:
    real = os.environ.get(REAL_PROVIDER)
    folder = plugins / f"resource-kubernetes-v{version('pulumi-kubernetes')}"
    folder.mkdir(parents=True)
    program = folder / _PROVIDER
    if real:
        program.symlink_to(real)
        return
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{_STAND_IN}" "$@"\n')
    program.chmod(0o755)


def nested(made: Mapping[str, str]) -> dict[str, Any]:
    """Secrets by their paths as one section of the configuration."""
    tree: dict[str, Any] = {}
    for path, value in made.items():
        *parents, last = path.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = value
    return tree


def _merged(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for name, value in other.items():
        merged[name] = _merged(merged.get(name, {}), value) if isinstance(value, dict) else value
    return merged


def _show(line: str) -> None:
    print(line)
