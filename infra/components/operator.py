"""Doublegate's operator and the definitions of its resources: what the chart installs, with its rules."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra import charts
from infra.components.base import Part, Place
from infra.objects import (
    Object,
    Server,
    deployment,
    disruption_budget,
    http,
    network_policy,
    selector,
    service,
)
from infra.sections import Monitoring
from infra.sections import Operator as OperatorSettings

__all__ = ["Definitions", "Operator", "OperatorArgs"]

_NAME = "doublegate-operator"
_USER = 65532
_METRICS = 8081
_GROUP = "rbac.authorization.k8s.io"


class Definitions(Part):
    """The CustomResourceDefinitions.

    Attributes:
        ready: what resources wait for.
    """

    def __init__(self, name: str, provider: k8s.Provider, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("Definitions", name, provider, None, opts=opts)
        self.ready = [self.make(definition) for definition in charts.definitions()]
        self.register_outputs({})


@dataclass(frozen=True)
class OperatorArgs:
    """What the operator needs.

    Attributes:
        settings: of the stack.
        image: what operator/Dockerfile builds.
        consumer_image: for handlers that are HTTP addresses.
        monitoring: for Prometheus and Grafana; None without.
        definitions: of its resources.
    """

    settings: OperatorSettings
    image: str
    consumer_image: str
    monitoring: Monitoring | None
    definitions: Definitions


class Operator(Part):
    """The operator.

    Attributes:
        ready: what consumers wait for.
    """

    def __init__(
        self, name: str, place: Place, args: OperatorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        before = [place.ready, *args.definitions.ready]
        super().__init__("Operator", name, place.provider, place.namespace, before, opts)
        lease = [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": [_NAME],
                "verbs": ["get", "update"],
            },
        ]
        account = _own("v1", "ServiceAccount", _NAME, automountServiceAccountToken=False)
        rights = [self.make(account)]
        for role, rules in {_NAME: charts.operator_rules(), f"{_NAME}-lease": lease}.items():
            made = self.make(_own(f"{_GROUP}/v1", "Role", role, rules=rules))
            subject = {"kind": "ServiceAccount", "name": _NAME, "namespace": place.namespace}
            reference = {"apiGroup": _GROUP, "kind": "Role", "name": role}
            bound = _own(f"{_GROUP}/v1", "RoleBinding", role, roleRef=reference, subjects=[subject])
            rights.append(self.make(bound, after=[made, rights[0]]))
        rights.append(self.make(network_policy(_NAME, ["metrics"])))
        self.ready = [self.make(_deployment(args, place.namespace), after=rights)]
        self.make(service(_NAME, {"metrics": _METRICS}))
        self.make(disruption_budget(_NAME))
        if args.monitoring is not None:
            self._monitor(args.monitoring)
        self.register_outputs({})

    def _monitor(self, args: Monitoring) -> None:
        monitor = {
            "selector": {"matchLabels": selector(_NAME)},
            "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "30s"}],
        }
        for kind, spec in {"PodMonitor": monitor, "PrometheusRule": charts.alerts()}.items():
            made = _own("monitoring.coreos.com/v1", kind, _NAME, spec=spec)
            made["metadata"]["labels"] |= args.labels
            self.make(made)
        board = _own("v1", "ConfigMap", f"{_NAME}-dashboard", data={"doublegate.json": charts.dashboard()})
        board["metadata"]["labels"] |= args.dashboard_labels
        self.make(board)


def _deployment(args: OperatorArgs, namespace: str) -> Object:
    own = "DOUBLEGATE_OPERATOR_"
    settings = {
        "WATCH_NAMESPACES": namespace,
        "LEASE_NAME": _NAME,
        "CONSUMER_IMAGE": args.consumer_image,
        "METRICS_PORT": str(_METRICS),
        "LOG_LEVEL": args.settings.log_level,
    }
    fields = {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    server = Server(
        name=_NAME,
        image=args.image,
        user=_USER,
        memory="384Mi",
        ports={"metrics": _METRICS},
        ready=http("/readyz", "metrics"),
        env=[
            *(
                {"name": own + name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
                for name, path in fields.items()
            ),
            *({"name": own + name, "value": value} for name, value in settings.items()),
        ],
        replicas=args.settings.replicas,
        scratch={"tmp": "/tmp"},  # noqa: S108
        grace_seconds=30,
    )
    made = deployment(server)
    pod = made["spec"]["template"]["spec"]
    pod |= {"serviceAccountName": _NAME, "automountServiceAccountToken": True}
    # Clients want credentials as files: they are there for a moment, and never on a disk.
    pod["volumes"] = [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}]
    pod["containers"][0]["livenessProbe"] |= http("/livez", "metrics")
    pod["containers"][0]["livenessProbe"].pop("tcpSocket")
    return made


def _own(api_version: str, kind: str, name: str, **content: object) -> Object:
    metadata = {"name": name, "labels": {**selector(_NAME), "app.kubernetes.io/managed-by": "pulumi"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}
