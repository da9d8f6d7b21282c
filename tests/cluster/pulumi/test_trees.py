"""The trees of GitOps, rendered of a stack that fits the cluster, applied by kubectl in their order."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from infra.credentials import lacking
from infra.program import outputs
from infra.settings import Settings, read_settings
from tests.cluster.consumers import FarSide
from tests.cluster.pulumi.engine import nested
from tests.cluster.pulumi.stacks import BAD, CONSUMER, GOOD, consumer, handlers, send, status, values
from tests.helpers import eventually
from tests.unit.infra.stacks import encoded
from tools.render.platform import GITOPS, made
from tools.render.trees import TREES, trees

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cluster.namespace import Namespace

pytestmark = pytest.mark.timeout(900)

SECONDS = 180.0
APPLIED = [tree for tree in TREES if tree != "monitoring"]
# What a tool that knows nothing of our kinds waits for, before the next tree.
WAITS = {
    "crds": [("wait", "--for=condition=Established", "crd/idempotentconsumers.doublegate.dev")],
    "operator": [("rollout", "status", "deployment/doublegate-operator")],
    "platform": [
        ("rollout", "status", "statefulset,deployment"),
        ("wait", "--for=condition=Complete", "job/kafka-users"),
    ],
    "consumers": [("wait", "--for=condition=Ready", f"idc/{CONSUMER}")],
}


def test_a_platform_comes_of_manifests(
    home: Namespace, new_namespace: Callable[..., Namespace], tmp_path: Path
) -> None:
    far_side = FarSide(new_namespace())
    chosen = _settings({**values(home, secure=True), "consumers": [consumer(far_side.anywhere)]})
    objects = made(chosen, hide=lambda secret: secret)
    for path, text in trees(objects).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    shutil.copytree(GITOPS / "images", tmp_path / "images")

    secrets = [one.object for one in objects if one.object["kind"] == "Secret"]
    _apply(home, "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": secrets}))
    home.apply(handlers())
    for tree in APPLIED:
        _apply(home, f"--kustomize={tmp_path / tree}")
        for wait in WAITS[tree]:
            arguments = [f"--namespace={home.name}", *wait, f"--timeout={SECONDS:.0f}s"]
            home.cluster.run(*arguments, seconds=SECONDS + 10)
    send(home, outputs(chosen), [*GOOD, *BAD], secure=True)
    eventually(lambda: status(home)["dlqOpen"] == len(BAD) and status(home)["lag"] == 0, SECONDS, 0.5)
    assert far_side.performed() == dict.fromkeys(GOOD, 1)


def _settings(given: dict[str, Any]) -> Settings:
    texts = encoded(given)
    texts["secrets"] = json.dumps(nested(lacking(texts)))
    return read_settings(texts, frozenset({"secrets"}))


def _apply(home: Namespace, *what: str, stdin: str = "") -> None:
    home.cluster.run("apply", "--server-side", "--force-conflicts", *what, stdin=stdin)
