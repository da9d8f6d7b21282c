"""Argo CD and Flux apply the trees in their order, and wait for each."""

from __future__ import annotations

import pytest

from tests.unit.gitops.files import APPLIED, documents, kustomization, one
from tools.render.platform import GITOPS

APPLICATIONS = {tree: one("argocd", tree) for tree in APPLIED}
FLUX = {tree: one("flux", tree) for tree in APPLIED}

each_tree = pytest.mark.parametrize("tree", APPLIED)


def test_argo_cd_has_a_wave_for_each_tree_in_their_order() -> None:
    waves = [
        int(APPLICATIONS[tree]["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]) for tree in APPLIED
    ]
    assert waves == list(range(len(APPLIED)))


@each_tree
def test_an_application_applies_its_tree_server_side(tree: str) -> None:
    application = APPLICATIONS[tree]
    assert application["metadata"]["name"] == f"doublegate-{tree}"
    spec = application["spec"]
    assert spec["source"] == {"path": f"deploy/gitops/{tree}"}
    assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    # With this finalizer, deleting the Application would delete the platform.
    assert "finalizers" not in application["metadata"]


def test_the_root_applies_them_and_itself() -> None:
    assert one("argocd", "root")["spec"]["source"]["path"] == "deploy/gitops/argocd"
    assert set(kustomization("argocd")["resources"]) == {"root.yaml", *(f"{tree}.yaml" for tree in APPLIED)}


def test_what_an_hpa_writes_is_no_difference_and_is_not_put_back() -> None:
    spec = APPLICATIONS["consumers"]["spec"]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    [ignored] = spec["ignoreDifferences"]
    assert (ignored["group"], ignored["kind"]) == ("doublegate.dev", "IdempotentConsumer")
    assert ignored["managedFieldsManagers"] == ["kube-controller-manager"]


def test_in_flux_each_tree_waits_for_the_one_before() -> None:
    before = [[on["name"] for on in FLUX[tree]["spec"].get("dependsOn", [])] for tree in APPLIED]
    assert before == [[], *([f"doublegate-{tree}"] for tree in APPLIED[:-1])]


@each_tree
def test_flux_waits_until_all_of_a_tree_is_ready(tree: str) -> None:
    spec = FLUX[tree]["spec"]
    assert spec["wait"] is True
    assert spec["path"] == f"./deploy/gitops/{tree}"
    assert (GITOPS / tree / "kustomization.yaml").exists()
    assert spec["sourceRef"] == {"kind": "GitRepository", "name": one("flux", "source")["metadata"]["name"]}


def test_flux_knows_the_health_of_both_kinds() -> None:
    kinds = {crd["spec"]["names"]["kind"] for crd in documents("crds")}
    assert {check["kind"] for check in FLUX["consumers"]["spec"]["healthCheckExprs"]} == kinds


def test_the_job_that_can_t_be_changed_is_made_anew_after_the_brokers() -> None:
    [job] = [made for made in documents("platform") if made["kind"] == "Job"]
    notes = job["metadata"]["annotations"]
    assert notes["argocd.argoproj.io/sync-options"] == "Force=true,Replace=true"
    assert int(notes["argocd.argoproj.io/sync-wave"]) > 0
    assert notes["kustomize.toolkit.fluxcd.io/force"] == "enabled"
