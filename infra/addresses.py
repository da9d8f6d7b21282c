"""Where servers answer inside of the cluster; decided here, so that all is known before anything runs."""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings import Settings

__all__ = ["JAEGER", "KAFKA", "OTLP", "POSTGRES", "REGISTRY", "VALKEY", "Addresses", "addresses_of", "host"]

KAFKA, VALKEY, REGISTRY, POSTGRES, OTLP, JAEGER = 9092, 6379, 8080, 5432, 4318, 16686


@dataclass(frozen=True)
class Addresses:
    """For pods in the cluster; None where the stack knows of none."""

    bootstrap_servers: str
    ledger_url: str
    registry_url: str | None
    otlp_endpoint: str | None
    jaeger_url: str | None


def host(service: str, namespace: str) -> str:
    """A Service's name that resolves in every namespace, whatever the cluster's domain."""
    return f"{service}.{namespace}.svc"


def addresses_of(settings: Settings) -> Addresses:
    """Of the stack's own servers, or of those that its configuration names."""
    own = settings.namespace
    return Addresses(
        _kafka(settings),
        _ledger(settings),
        _registry(settings),
        _otlp(settings),
        f"http://{host('jaeger', own)}:{JAEGER}" if settings.traces and settings.traces.jaeger else None,
    )


def _kafka(settings: Settings) -> str:
    if settings.kafka.external is not None:
        return settings.kafka.external.bootstrap_servers
    service = "kafka" if settings.kafka.standalone is not None else "kafka-kafka-bootstrap"
    return f"{host(service, settings.namespace)}:{KAFKA}"


def _ledger(settings: Settings) -> str:
    standalone = settings.ledger.standalone
    if standalone is None:
        return settings.ledger.external.url if settings.ledger.external else ""
    return f"{'rediss' if standalone.secure else 'redis'}://{host('valkey', settings.namespace)}:{VALKEY}/0"


def _registry(settings: Settings) -> str | None:
    if settings.registry is None:
        return None
    if settings.registry.external is not None:
        return settings.registry.external.url
    return f"http://{host('registry', settings.namespace)}:{REGISTRY}/apis/ccompat/v7"


def _otlp(settings: Settings) -> str | None:
    if settings.traces is None:
        return None
    if settings.traces.external is not None:
        return settings.traces.external.otlp_endpoint
    return f"http://{host('jaeger', settings.namespace)}:{OTLP}"
