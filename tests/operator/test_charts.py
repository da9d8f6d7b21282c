"""The charts, rendered: what they install is confined, pinned, least privileged and well formed."""

from __future__ import annotations

import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from doublegate_operator.shell.settings import Settings
from tests.operator.chart import CHARTS, CI, NAMESPACE, OPERATOR, Rendered, helm, program, render
from tests.unit.charts.files import ALERTS, rules
from tools import builds

USUAL = f"--values={CI['usual']}"
ALERT_TESTS = Path(__file__).with_name("alerts_test.yaml")
WATCHED = {"usual": [NAMESPACE], "everything": ["billing", "shop"], "cluster-wide": []}
CLUSTER_KINDS = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}

each_set = pytest.mark.parametrize("values", sorted(CI))


@pytest.fixture(scope="module")
def rendered() -> dict[str, Rendered]:
    """By the names of the sets of values."""
    return {name: render(f"--values={path}") for name, path in CI.items()}


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["spec"]["template"] for one in objects if "template" in one.get("spec", {})]


@each_set
def test_lint_finds_nothing(values: str) -> None:
    helm("lint", "--strict", f"--values={CI[values]}", OPERATOR)


def test_the_crds_chart_stands_alone() -> None:
    helm("lint", "--strict", CHARTS / "doublegate-crds")
    alone = render(chart=CHARTS / "doublegate-crds")
    assert {one["kind"] for one in alone.objects} == {"CustomResourceDefinition"}
    names = sorted(one["spec"]["names"]["kind"] for one in alone.objects)
    assert names == ["DeadLetterReplay", "IdempotentConsumer"]


def test_the_crds_come_with_the_operator_unless_somebody_else_brings_them() -> None:
    assert len(render(USUAL).of("CustomResourceDefinition")) == 2
    assert render(USUAL, "--set=crds.enabled=false").of("CustomResourceDefinition") == []


@pytest.mark.parametrize("keep", [True, False])
def test_the_crds_outlive_the_release_unless_told_otherwise(keep: bool) -> None:
    for crd in render(USUAL, f"--set=crds.keep={str(keep).lower()}").of("CustomResourceDefinition"):
        policy = crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
        assert policy == ("keep" if keep else None)


def test_an_image_is_asked_for_in_words() -> None:
    assert "push what operator/Dockerfile builds" in helm("template", "dg", OPERATOR, succeeds=False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("replicas=0", "replicas"),
        ("replicas=two", "replicas"),
        ("image.tag=latest", "image/tag"),
        ("image.digest=sha256:1", "image/digest"),
        ("image.pullPolicy=Sometimes", "image/pullPolicy"),
        ("image.repo=x", "repo"),
        ("consumers.image=doublegate-consumer", "consumers/image"),
        ("consumers.image=doublegate-consumer:latest", "consumers/image"),
        ("consumers.image=localhost:5000/doublegate-consumer", "consumers/image"),
        ("watch.namespaces={Shop}", "watch/namespaces/0"),
        ("watch.clusterWide=true,watch.namespaces={shop}", "watch"),
        ("logLevel=LOUD", "logLevel"),
        ("resources.limits=null", "limits"),
        ("resources.limits.memory=null", "memory"),
        ("crds.enabled=perhaps", "crds/enabled"),
        ("crds.kept=true", "kept"),
        ("monitoring.alert.enabled=true", "alert"),
        ("podMonitor.enabled=true", "podMonitor"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(given: str, field: str) -> None:
    said = helm("template", "dg", OPERATOR, USUAL, f"--set={given}", succeeds=False)
    assert re.search(rf"[/'\"]{re.escape(field)}['\"]", said), said


@pytest.mark.parametrize(
    "image", ["consumer:1", "localhost:5000/shop/consumer:0.1.0", f"registry.example/c@sha256:{'0' * 64}"]
)
def test_an_image_by_tag_or_digest_is_taken(image: str) -> None:
    [pod] = pods(render(USUAL, f"--set=consumers.image={image}").objects)
    env = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
    assert env["DOUBLEGATE_OPERATOR_CONSUMER_IMAGE"] == image


@each_set
def test_pods_meet_the_restricted_standard(rendered: dict[str, Rendered], values: str) -> None:
    for pod in pods(rendered[values].objects):
        spec = pod["spec"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["enableServiceLinks"] is False, "a Service named like us would set our variables"
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {key for volume in spec["volumes"] for key in volume} <= {"name", "emptyDir"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not any("hostPort" in port for port in container["ports"])


@each_set
def test_pods_are_bounded_pinned_and_probed(rendered: dict[str, Rendered], values: str) -> None:
    for pod in pods(rendered[values].objects):
        memory = [volume["emptyDir"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume]
        assert all(volume == {"medium": "Memory", "sizeLimit": "16Mi"} for volume in memory)
        for container in pod["spec"]["containers"]:
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert re.search(r"(@sha256:[0-9a-f]{64}|:\d[\w.-]*)$", container["image"])
            ports = {port["name"] for port in container["ports"]}
            paths = {}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                paths[kind] = container[kind]["httpGet"]["path"]
                assert container[kind]["httpGet"]["port"] in ports
            assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_two_replicas_are_spread_and_not_evicted_at_once(rendered: dict[str, Rendered]) -> None:
    budget = rendered["usual"].one("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    [pod] = pods(rendered["usual"].objects)
    [spread] = pod["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway", "one node must do, too"
    assert rendered["cluster-wide"].of("PodDisruptionBudget") == [], "it would mean nothing for one pod"


@each_set
def test_whatever_selects_pods_finds_them(rendered: dict[str, Rendered], values: str) -> None:
    objects = rendered[values]
    [pod] = pods(objects.objects)
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    selectors = [objects.one("Deployment")["spec"]["selector"]["matchLabels"]]
    selectors += [one["spec"]["selector"] for one in objects.of("Service")]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in objects.of("NetworkPolicy")]
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        selectors += [one["spec"]["selector"]["matchLabels"] for one in objects.of(kind)]
    assert all(selector.items() <= pod["metadata"]["labels"].items() for selector in selectors)
    for monitor in objects.of("PodMonitor"):
        assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports
    for service in objects.of("Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@each_set
def test_no_secret_is_made_or_given(rendered: dict[str, Rendered], values: str) -> None:
    assert rendered[values].of("Secret") == []
    for pod in pods(rendered[values].objects):
        for container in pod["spec"]["containers"]:
            assert all(one["name"].startswith("DOUBLEGATE_OPERATOR_") for one in container["env"])
            assert not any(re.search("PASSWORD|TOKEN|SECRET|KEY", one["name"]) for one in container["env"])
            assert "envFrom" not in container


@each_set
def test_the_operator_has_exactly_its_rights(rendered: dict[str, Rendered], values: str) -> None:
    objects = rendered[values]
    account = objects.one("ServiceAccount")["metadata"]
    [pod] = pods(objects.objects)
    assert pod["spec"]["serviceAccountName"] == account["name"]
    subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": NAMESPACE}

    granted = {}
    for one in objects.of("Role") + objects.of("ClusterRole"):
        granted[one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]] = one["rules"]
    bound = set()
    for one in objects.of("RoleBinding") + objects.of("ClusterRoleBinding"):
        assert one["subjects"] == [subject]
        bound.add((one["roleRef"]["kind"], one["metadata"].get("namespace"), one["roleRef"]["name"]))
    assert bound == granted.keys()

    name = account["name"]
    lease = granted.pop(("Role", NAMESPACE, f"{name}-lease"))
    assert all(rule["apiGroups"] == ["coordination.k8s.io"] for rule in lease)
    assert all(rule["resourceNames"] == [name] for rule in lease if rule["verbs"] != ["create"])
    where = [("Role", namespace, name) for namespace in WATCHED[values]]
    assert sorted(granted) == (where or [("ClusterRole", None, f"{name}-{NAMESPACE}")])
    assert all(rule == rules() for rule in granted.values())


@each_set
def test_the_operator_is_told_where_to_look(rendered: dict[str, Rendered], values: str) -> None:
    [pod] = pods(rendered[values].objects)
    env = {one["name"]: one.get("value") for one in pod["spec"]["containers"][0]["env"]}
    given = {name: "operator-0" if value is None else value for name, value in env.items()}  # by fieldRef
    settings = Settings.from_environment(given)
    assert settings.namespaces == (tuple(WATCHED[values]) or None)
    assert settings.metrics_port == pod["spec"]["containers"][0]["ports"][0]["containerPort"]
    [lease] = [one for one in rendered[values].of("Role") if one["metadata"]["name"].endswith("-lease")]
    assert lease["rules"][1]["resourceNames"] == [settings.lease_name]
    labels = pod["metadata"]["labels"]
    assert settings.core.operator_labels.items() <= labels.items(), "consumers' policies let them in by these"


@each_set
def test_every_object_has_its_namespace_and_its_labels(rendered: dict[str, Rendered], values: str) -> None:
    for one in rendered[values].objects:
        where = one["metadata"].get("namespace")
        assert (where is None) == (one["kind"] in CLUSTER_KINDS), one["metadata"]["name"]
        if one["kind"] != "CustomResourceDefinition":
            assert one["metadata"]["labels"]["app.kubernetes.io/name"] == "doublegate-operator"


def test_two_releases_do_not_share_what_has_no_namespace() -> None:
    wide = f"--values={CI['cluster-wide']}"
    names = [
        {(one["kind"], one["metadata"]["name"]) for one in render(wide, f"--namespace={where}").objects}
        for where in ("one", "other")
    ]
    shared = {kind for kind, _ in names[0] & names[1]}
    assert not shared & CLUSTER_KINDS


def test_the_alerts_are_wrapped_as_they_are(rendered: dict[str, Rendered]) -> None:
    wrapped = rendered["everything"].one("PrometheusRule")
    assert wrapped["spec"] == yaml.safe_load(ALERTS.read_text())
    assert wrapped["metadata"]["labels"]["release"] == "prometheus"
    assert rendered["usual"].of("PrometheusRule") == []


def test_the_dashboard_is_wrapped_as_it_is(rendered: dict[str, Rendered]) -> None:
    wrapped = rendered["everything"].one("ConfigMap")
    assert wrapped["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert (
        wrapped["data"]["doublegate.json"].strip()
        == (OPERATOR / "files" / "dashboard.json").read_text().strip()
    )


@pytest.mark.parametrize("command", [("check", "rules", ALERTS), ("test", "rules", ALERT_TESTS)])
def test_prometheus_takes_the_alerts_and_they_fire_when_they_should(command: tuple[Any, ...]) -> None:
    promtool = program(builds.PROMTOOL, "promtool")
    done = subprocess.run(
        [promtool, *map(str, command)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    tried = ALERT_TESTS.read_text()
    assert [name for name in re.findall(r"alert: (\w+)", ALERTS.read_text()) if name not in tried] == []


def test_the_notes_say_what_is_watched_and_what_is_missing() -> None:
    def notes(*arguments: str) -> str:
        return helm("install", "dg", OPERATOR, "--dry-run=client", f"--namespace={NAMESPACE}", *arguments)

    assert f"watches {NAMESPACE}." in notes(USUAL)
    assert "consumers.image is empty" not in notes(USUAL)
    bare = notes(USUAL, "--set=consumers.image=", "--set=crds.keep=false", "--set=watch.clusterWide=true")
    assert "watches all namespaces." in bare
    assert "consumers.image is empty" in bare
    assert "crds.keep is off" in bare


def test_the_package_holds_the_crds_and_not_what_tests_it(tmp_path: Path) -> None:
    helm("package", OPERATOR, f"--destination={tmp_path}")
    [package] = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        names = archive.getnames()
    assert [name for name in names if "charts/doublegate-crds/files/" in name]
    assert [name for name in names if "/ci/" in name] == []
