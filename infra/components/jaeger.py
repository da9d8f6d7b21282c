"""The stack's own collector and query of traces, Jaeger v2 in one pod: in memory, or on a volume."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256

import pulumi

from infra.addresses import JAEGER, OTLP
from infra.components.base import Part, Place
from infra.objects import (
    Object,
    Server,
    config_map,
    disruption_budget,
    network_policy,
    service,
    stateful_set,
    tcp,
)
from infra.sections import Jaeger as JaegerSettings

__all__ = ["Jaeger", "JaegerArgs"]

_USER = 10001
_PORTS = {"query": JAEGER, "otlp": OTLP}
_DATA = "/var/lib/jaeger"


@dataclass(frozen=True)
class JaegerArgs:
    """What Jaeger needs."""

    settings: JaegerSettings
    image: str


class Jaeger(Part):
    """Collector and query.

    Attributes:
        ready: what consumers may wait for.
    """

    def __init__(
        self, name: str, place: Place, args: JaegerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Jaeger", name, place.provider, place.namespace, [place.ready], opts)
        text = json.dumps(_configuration(args.settings), indent=1)  # JSON is YAML
        before = [
            self.make(config_map("jaeger", {"config.yaml": text})),
            self.make(service("jaeger-pods", _PORTS, part="jaeger", headless=True)),
            self.make(network_policy("jaeger", list(_PORTS))),
        ]
        server = Server(
            name="jaeger",
            image=args.image,
            user=_USER,
            memory="512Mi",
            ports=_PORTS,
            ready=tcp("query"),
            args=["--config=/etc/jaeger/config.yaml"],
            env=[{"name": "OTEL_TRACES_SAMPLER", "value": "always_off"}],  # of itself
            data=_DATA,
            storage=args.settings.storage,
            files={"configuration": "/etc/jaeger"},
            volumes=[{"name": "configuration", "configMap": {"name": "jaeger"}}],
            annotations={"doublegate.dev/configuration": sha256(text.encode()).hexdigest()[:32]},
        )
        self.ready = [self.make(stateful_set(server, "jaeger-pods"), after=before)]
        self.make(service("jaeger", _PORTS))
        self.make(disruption_budget("jaeger"))
        self.register_outputs({})


def _configuration(settings: JaegerSettings) -> Object:
    if settings.storage is None:
        backend: Object = {"memory": {"max_traces": settings.max_traces}}
    else:
        folders = {"keys": f"{_DATA}/keys", "values": f"{_DATA}/values"}
        backend = {"badger": {"directories": folders, "ephemeral": False, "ttl": {"spans": "168h"}}}
    everywhere = "0.0.0.0"  # noqa: S104 - the NetworkPolicy decides who reaches it
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
        },
        "extensions": {
            "jaeger_storage": {"backends": {"traces": backend}},
            "jaeger_query": {
                "storage": {"traces": "traces"},
                "http": {"endpoint": f"{everywhere}:{JAEGER}"},
            },
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"{everywhere}:{OTLP}"}}}},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "traces"}},
    }
