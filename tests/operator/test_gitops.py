"""The trees of `deploy/gitops` on a real API server: built by kubectl, of their shape, applied in order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.operator.schemas import conforms
from tests.unit.gitops.files import APPLIED, documents
from tools.render.pin import pinned
from tools.render.platform import GITOPS, PLACEHOLDER
from tools.render.trees import TREES

if TYPE_CHECKING:
    from tests.operator.conftest import Kubectl

NAMESPACE = "doublegate"
NAMES = [one["metadata"]["name"] for one in documents("crds")]
DIGEST = "sha256:" + "a1" * 32

pytestmark = [pytest.mark.usefixtures("crds"), pytest.mark.timeout(600)]


def built(kubectl: Kubectl, tree: str, root: Path = GITOPS) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(kubectl("kustomize", str(root / tree))))


@pytest.mark.parametrize("tree", TREES)
def test_every_object_has_its_schemas_shape(kubectl: Kubectl, schemas: Path, tree: str) -> None:
    assert conforms(schemas, kubectl("kustomize", str(GITOPS / tree))) == ""


def test_the_health_settings_have_their_schemas_shape(schemas: Path) -> None:
    assert conforms(schemas, (GITOPS / "argocd" / "health" / "argocd-cm.yaml").read_text()) == ""


def test_kubectl_applies_the_trees_in_order_and_again_without_a_change(kubectl: Kubectl) -> None:
    def apply(tree: str) -> dict[str, str]:
        """Versions of its objects, which any change would raise."""
        where = f"--kustomize={GITOPS / tree}"
        kubectl("apply", "--server-side", "--warnings-as-errors", where)
        found = json.loads(kubectl("get", where, "--output=json"))
        return {
            f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
            for one in found.get("items", [found])
        }

    first = {}
    for tree in APPLIED:
        first[tree] = apply(tree)
        if tree == "crds":
            kubectl("wait", "--for=condition=Established", "--timeout=60s", *map("crd/{}".format, NAMES))
        if tree == "operator":  # from now on it warns of what the namespace's own level would refuse
            kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/warn=restricted")
    del first["operator"]["Namespace/doublegate"]  # which got that label
    for tree in APPLIED:
        again = apply(tree)
        again.pop("Namespace/doublegate", None)
        assert again == first[tree]
    consumer = json.loads(kubectl("get", f"--namespace={NAMESPACE}", "idc/payments", "--output=json"))
    assert consumer["spec"]["image"].endswith(PLACEHOLDER)
    assert consumer["spec"]["ledger"]["ttl"], "the definitions' defaults are filled in"


def test_one_digest_reaches_every_place_of_its_image(kubectl: Kubectl, tmp_path: Path) -> None:
    root = tmp_path / "gitops"
    shutil.copytree(GITOPS, root)
    images = root / "images" / "kustomization.yaml"
    for name in ("doublegate-consumer", "payments"):
        images.write_text(pinned(images.read_text(), f"registry.example/{name}@{DIGEST}"))

    def named(tree: str) -> str:
        return json.dumps(built(kubectl, tree, root))

    [job] = [one for one in built(kubectl, "platform", root) if one["kind"] == "Job"]
    assert (
        job["spec"]["template"]["spec"]["containers"][0]["image"]
        == f"registry.example/doublegate-consumer@{DIGEST}"
    )
    assert f"registry.example/doublegate-consumer@{DIGEST}" in named("operator")
    assert f"registry.example/doublegate-operator@{PLACEHOLDER}" in named("operator")
    [consumer] = built(kubectl, "consumers", root)
    assert consumer["spec"]["image"] == f"registry.example/payments@{DIGEST}"


@pytest.mark.parametrize(("tree", "kind"), [("argocd", "Application"), ("flux", "GitRepository")])
def test_kustomize_builds_what_argo_cd_and_flux_are_given(kubectl: Kubectl, tree: str, kind: str) -> None:
    given = built(kubectl, tree)
    assert len(given) == len(APPLIED) + 1
    for one in given:
        if one["kind"] == "Application":
            assert one["spec"]["source"]["repoURL"].startswith("https://git.example/")
            assert one["spec"]["source"]["targetRevision"] == "main"
    assert kind in {one["kind"] for one in given}


def test_argo_cd_s_other_settings_are_left_alone(kubectl: Kubectl) -> None:
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"url": "https://argo.example"},
    }
    kubectl("create", "namespace", "argocd")
    kubectl("apply", "--server-side", "--field-manager=others", "--filename=-", stdin=json.dumps(settings))
    ours = GITOPS / "argocd" / "health" / "argocd-cm.yaml"
    kubectl("apply", "--server-side", "--field-manager=doublegate", f"--filename={ours}")
    found = json.loads(kubectl("get", "--namespace=argocd", "configmap/argocd-cm", "--output=json"))
    assert found["data"]["url"] == "https://argo.example"
    assert "resource.customizations.health.doublegate.dev_IdempotentConsumer" in found["data"]
    kubectl("delete", "namespace", "argocd", "--wait=false")
