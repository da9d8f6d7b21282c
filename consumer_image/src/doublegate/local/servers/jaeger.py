"""Jaeger: takes spans over OTLP, keeps them in memory, answers queries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests
import yaml

from doublegate.local.ports import LOOPBACK
from doublegate.local.servers.base import Launch, Progress, Site
from doublegate.local.servers.go_build import GoBuild

PROBE_SECONDS = 2
STORE = "memory"
MAX_TRACES = 100_000
RELEASE = "v2.13.0"  # what the module's v1.76.0 calls itself since version 2
BUILD = GoBuild(
    name="Jaeger",
    module=Path(__file__).parents[1] / "jaeger_module",
    programs={"jaeger": "github.com/jaegertracing/jaeger/cmd/jaeger"},
    release=RELEASE,
    linker_flags=f"-s -w -X github.com/jaegertracing/jaeger/internal/version.latestVersion={RELEASE}",
    about_lines=2_660,
    disk_needed=4 << 30,  # seen: 2.9 GiB
)


class Jaeger:
    """The tracing backend."""

    port_names = ("query", "query_grpc", "otlp", "otlp_grpc", "health")
    start_seconds = 60.0

    def disk_needed(self) -> int:
        """What building takes while it lasts."""
        return 0 if BUILD.built else BUILD.disk_needed

    def install(self, on_progress: Progress) -> None:
        """Build it once."""
        if not BUILD.built:
            BUILD.build(on_progress)

    def prepare(self, site: Site) -> Launch:
        """Write a configuration without the listeners that nobody uses here."""
        config = site.directory / "jaeger.yaml"
        config.write_text(yaml.safe_dump(_config(site)))
        return Launch([str(BUILD.program("jaeger")), "--config", str(config)])

    def check(self, site: Site) -> None:
        """Its own health, then the query API."""
        urls = (
            f"http://{LOOPBACK}:{site.ports['health']}/status",
            f"{self.endpoints(site)['jaeger_url']}/api/services",
        )
        for url in urls:
            requests.get(url, timeout=PROBE_SECONDS).raise_for_status()

    def endpoints(self, site: Site) -> dict[str, str]:
        """Where spans go and where they are found."""
        return {
            "otlp_endpoint": f"http://{LOOPBACK}:{site.ports['otlp']}",
            "jaeger_url": f"http://{LOOPBACK}:{site.ports['query']}",
        }


def _config(site: Site) -> dict[str, Any]:
    def listen(name: str) -> dict[str, str]:
        return {"endpoint": f"{LOOPBACK}:{site.ports[name]}"}

    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {STORE: {"memory": {"max_traces": MAX_TRACES}}}},
            "jaeger_query": {
                "storage": {"traces": STORE},
                "enable_tracing": False,  # of itself, to the usual port, where somebody else may listen
                "http": listen("query"),
                "grpc": listen("query_grpc"),
            },
            "healthcheckv2": {"use_v2": True, "http": listen("health")},
        },
        "receivers": {"otlp": {"protocols": {"http": listen("otlp"), "grpc": listen("otlp_grpc")}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": STORE}},
    }
