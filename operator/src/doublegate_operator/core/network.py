"""Who may reach the pods: their Service, the NetworkPolicy, and Prometheus' PodMonitor."""

from __future__ import annotations

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.meta import manifest, selector
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.wanted import Object

__all__ = ["PORT", "network_policy", "pod_monitor", "service"]

PORT = 8080
_NAMESPACE = "kubernetes.io/metadata.name"


def service(consumer: IdempotentConsumer) -> Object:
    """The pods' page by one name."""
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}]
    spec = {"type": "ClusterIP", "selector": selector(consumer.metadata.name), "ports": ports}
    return manifest(consumer, "v1", "Service", spec=spec)


def network_policy(consumer: IdempotentConsumer, settings: OperatorSettings) -> Object:
    """The operator reads /status and Prometheus /metrics, nobody else reaches the pods.

    What they reach themselves stays open: Kafka, ledger, registry and the handler's far side are host names
    in the resource and in code, which a policy can't be written in.
    """
    operator = {
        "namespaceSelector": {"matchLabels": {_NAMESPACE: settings.operator_namespace}},
        "podSelector": {"matchLabels": dict(settings.operator_labels)},
    }
    prometheus = {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    }
    spec = {
        "podSelector": {"matchLabels": selector(consumer.metadata.name)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [operator, prometheus], "ports": [{"port": PORT, "protocol": "TCP"}]}],
    }
    return manifest(consumer, "networking.k8s.io/v1", "NetworkPolicy", spec=spec)


def pod_monitor(consumer: IdempotentConsumer) -> Object:
    """Where Prometheus finds the figures."""
    spec = {
        "selector": {"matchLabels": selector(consumer.metadata.name)},
        "podMetricsEndpoints": [{"port": "http", "path": "/metrics"}],
    }
    return manifest(consumer, "monitoring.coreos.com/v1", "PodMonitor", spec=spec)
