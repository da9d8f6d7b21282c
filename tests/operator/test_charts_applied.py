"""The charts on a real API server: every set of values is taken, by Helm and by kubectl, with no warning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.operator.chart import CHARTS, CI, NAMESPACE, OPERATOR, helm, render
from tests.operator.schemas import conforms
from tests.unit.charts.files import rules

if TYPE_CHECKING:
    from tests.operator.api_server import ApiServer
    from tests.operator.conftest import Kubectl

EXAMPLES = CHARTS.parent / "examples"
PROMETHEUS = "monitoring.coreos.com"
"""Its CRDs are not here: what the chart renders of them is checked by other tests."""

pytestmark = [pytest.mark.usefixtures("crds"), pytest.mark.timeout(600)]
each_set = pytest.mark.parametrize("values", sorted(CI))


@pytest.fixture(scope="module")
def namespaces(kubectl: Kubectl) -> Iterator[None]:
    """Those that the sets of values name; they warn of pods that are not restricted."""
    names = [NAMESPACE, "shop", "billing"]
    labels = {"pod-security.kubernetes.io/warn": "restricted"}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name in names
    ]
    kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(objects))
    yield
    kubectl("delete", "namespace", "--wait=false", *names)


@each_set
def test_every_object_has_its_schemas_shape(schemas: Path, values: str) -> None:
    text = helm("template", "dg", OPERATOR, f"--namespace={NAMESPACE}", f"--values={CI[values]}")
    assert conforms(schemas, text) == ""


def test_the_schemas_refuse_what_they_do_not_know(schemas: Path) -> None:
    deployment = render(f"--values={CI['usual']}").one("Deployment")
    deployment["spec"]["replica"] = 2
    assert "replica" in conforms(schemas, yaml.safe_dump(deployment))


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_the_examples_have_our_schemas_shape(schemas: Path, name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert conforms(schemas, text) == ""
    wrong: dict[str, Any] = next(iter(yaml.safe_load_all(text)))
    wrong["spec"]["handlers"] = {}
    assert "handlers" in conforms(schemas, yaml.safe_dump(wrong))


@pytest.mark.usefixtures("namespaces")
@each_set
def test_kubectl_applies_it_twice_without_a_warning(kubectl: Kubectl, values: str) -> None:
    objects = [
        one
        for one in render(f"--values={CI[values]}").objects
        if PROMETHEUS not in one["apiVersion"] and one["kind"] != "CustomResourceDefinition"
    ]
    text = yaml.safe_dump_all(objects)
    for _ in range(2):
        kubectl("apply", "--server-side", "--warnings-as-errors", "--filename=-", stdin=text)
    kubectl("delete", "--wait=false", "--filename=-", stdin=text)


@pytest.mark.usefixtures("namespaces")
def test_pods_that_are_not_restricted_would_be_warned_of(kubectl: Kubectl) -> None:
    deployment = render(f"--values={CI['usual']}").one("Deployment")
    del deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    with pytest.raises(AssertionError, match="would violate PodSecurity"):
        kubectl(
            "apply",
            "--server-side",
            "--dry-run=server",
            "--warnings-as-errors",
            "--filename=-",
            stdin=yaml.safe_dump(deployment),
        )


@pytest.mark.usefixtures("namespaces")
def test_helm_installs_upgrades_and_removes_it_and_the_crds_stay(
    api_server: ApiServer, kubectl: Kubectl
) -> None:
    where = [f"--kubeconfig={api_server.kubeconfig}", f"--namespace={NAMESPACE}"]
    values = f"--values={CI['usual']}"
    # The definitions are there before, by kubectl for other tests.
    helm("install", "dg", OPERATOR, *where, values, "--take-ownership", "--force-conflicts")
    helm("upgrade", "dg", OPERATOR, *where, values, "--set=watch.namespaces={shop,billing}")
    role = json.loads(kubectl("get", "role", "dg-doublegate-operator", "--namespace=shop", "--output=json"))
    assert role["rules"] == rules()
    helm("uninstall", "dg", *where)
    left = kubectl("get", "role,rolebinding,deployment,serviceaccount", "--all-namespaces", "--output=name")
    assert "dg-doublegate-operator" not in left
    assert "idempotentconsumers.doublegate.dev" in kubectl("get", "crd", "--output=name")


@pytest.mark.usefixtures("namespaces")
def test_the_operator_may_do_what_it_needs_and_nothing_beyond(kubectl: Kubectl) -> None:
    objects = [
        one
        for one in render(f"--values={CI['usual']}").objects
        if one["kind"].startswith(("Role", "ServiceAccount"))
    ]
    kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(objects))
    me = f"--as=system:serviceaccount:{NAMESPACE}:dg-doublegate-operator"

    def may(verb: str, what: str, namespace: str = NAMESPACE) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes(verb, what, namespace)},
        }
        said = kubectl(
            "create", "--validate=false", "--output=json", "--filename=-", me, stdin=json.dumps(review)
        )
        return bool(json.loads(said)["status"]["allowed"])

    assert may("get", "secrets")
    assert may("patch", "idempotentconsumers.doublegate.dev/status")
    assert may("delete", "scaledobjects.keda.sh")
    assert may("create", "leases.coordination.k8s.io")
    for verb, what in (
        ("list", "secrets"),
        ("watch", "secrets"),
        ("create", "secrets"),
        ("delete", "idempotentconsumers.doublegate.dev"),
        ("update", "idempotentconsumers.doublegate.dev/finalizers"),
        ("create", "pods/exec"),
        ("delete", "pods"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("delete", "leases.coordination.k8s.io"),
    ):
        assert not may(verb, what), f"{verb} {what}"
    assert not may("get", "secrets", "shop")
    assert not may("get", "idempotentconsumers.doublegate.dev", "shop")
    kubectl("delete", "--wait=false", "--filename=-", stdin=yaml.safe_dump_all(objects))


def attributes(verb: str, what: str, namespace: str) -> dict[str, str]:
    """Of `resource.group/subresource`."""
    named, _, subresource = what.partition("/")
    resource, _, group = named.partition(".")
    return {
        "verb": verb,
        "resource": resource,
        "group": group,
        "subresource": subresource,
        "namespace": namespace,
    }
