"""What must be true of every tree, whatever it is rendered from."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.gitops.files import APPLIED, documents, kustomization, texts, walk
from tools.render.__main__ import rendered
from tools.render.platform import GITOPS, MADE_UP
from tools.render.trees import TREES

WORKLOADS = {"Deployment", "StatefulSet", "Job"}
CHOSEN = {one["name"]: one["digest"] for one in kustomization("images")["images"]}

each_tree = pytest.mark.parametrize("tree", TREES)
each_folder = pytest.mark.parametrize("folder", [*TREES, "argocd", "flux"])


def images(tree: str) -> list[str]:
    """Wherever one stands: of containers, of consumers, and of the operator's settings."""
    fields = [
        (key, value)
        for one in documents(tree)
        if one["kind"] != "CustomResourceDefinition"
        for key, value in walk(one)
    ]
    found = [value for key, value in fields if key == "image"]
    return found + [value for key, value in fields if key == "value" and "@sha256:" in str(value)]


def test_they_are_what_the_program_makes_now() -> None:
    stale = [path for path, text in rendered().items() if (GITOPS / path).read_text() != text]
    assert stale == [], "run `make render` and read the difference"


@each_folder
def test_a_kustomization_names_what_is_there_and_all_of_it(folder: str) -> None:
    made = kustomization(folder)
    files = {path.name for path in (GITOPS / folder).glob("*.yaml")} - {"kustomization.yaml"}
    assert set(made["resources"]) == files
    for component in made.get("components", []):
        assert (GITOPS / folder / component / "kustomization.yaml").exists()


@each_folder
def test_there_is_no_secret(folder: str) -> None:
    for name, text in texts(folder).items():
        assert MADE_UP not in text, name
        assert not re.search(r"BEGIN [A-Z ]*(PRIVATE KEY|CERTIFICATE)", text), name
    for one in documents(folder):
        assert one["kind"] != "Secret"
        for key, value in walk(one):
            named = re.search(r"(?i)^(password|passwd|token|secret)$|_(password|token)$", key)
            assert named is None or not isinstance(value, str), key
        for container in containers(one):
            for variable in container.get("env", []):
                secret = re.search(r"(?i)password|secret|token", variable["name"])
                assert secret is None or "value" not in variable, variable["name"]


def containers(one: dict[str, Any]) -> list[dict[str, Any]]:
    return one["spec"]["template"]["spec"]["containers"] if one["kind"] in WORKLOADS else []


@each_tree
def test_images_are_by_digest_and_kustomize_knows_each(tree: str) -> None:
    for image in images(tree):
        assert re.fullmatch(r"[^:@]+(:\d+/[^:@]+)?@sha256:[0-9a-f]{64}", image), image
        assert image.partition("@")[0] in CHOSEN
    assert ":latest" not in json.dumps(documents(tree))
    assert ("components" in kustomization(tree)) == bool(images(tree))


def test_kustomize_knows_no_image_that_is_not_used() -> None:
    assert {image.partition("@")[0] for tree in TREES for image in images(tree)} == set(CHOSEN)
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in CHOSEN.values())


def test_nobody_sets_replicas_of_what_an_autoscaler_scales() -> None:
    everything = [one for tree in APPLIED for one in documents(tree)]
    consumers = [one for one in everything if one["kind"] == "IdempotentConsumer"]
    assert consumers
    for one in consumers:
        assert "replicas" not in dict(walk(one))
    scaled = {one["metadata"]["name"] for one in consumers}
    assert not scaled & {one["metadata"]["name"] for one in everything if one["kind"] in WORKLOADS}
    assert not {"ScaledObject", "HorizontalPodAutoscaler"} & {one["kind"] for one in everything}


@each_tree
def test_nothing_says_that_pulumi_manages_it(tree: str) -> None:
    assert "pulumi" not in json.dumps([one for one in documents(tree) if one["kind"] != "ConfigMap"]).lower()


def test_everything_has_its_place() -> None:
    kinds = {tree: {one["kind"] for one in documents(tree)} for tree in TREES}
    assert kinds["crds"] == {"CustomResourceDefinition"}
    assert kinds["consumers"] == {"IdempotentConsumer"}
    assert "Namespace" in kinds["operator"]
    assert kinds["monitoring"] == {"ConfigMap", "PodMonitor", "PrometheusRule"}
    for tree in TREES[1:]:
        for one in documents(tree):
            where = one["metadata"].get("namespace")
            assert where == (None if one["kind"] == "Namespace" else "doublegate"), one["metadata"]["name"]


def test_what_holds_volumes_and_consumers_is_never_pruned() -> None:
    for one in [*documents("crds"), *documents("operator")]:
        if one["kind"] in {"CustomResourceDefinition", "Namespace"}:
            notes = one["metadata"]["annotations"]
            assert notes["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
            assert notes["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
