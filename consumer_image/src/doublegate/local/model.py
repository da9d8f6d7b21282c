"""The words of the local stack: which servers there are, where they answer, how they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Service(StrEnum):
    """A real server that can run on this machine."""

    KAFKA = "kafka"
    VALKEY = "valkey"
    REGISTRY = "registry"
    POSTGRES = "postgres"
    JAEGER = "jaeger"


class Health(StrEnum):
    """What a server's process does at the moment."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Endpoints:
    """Where the servers of a stack answer; None for one that is not part of it."""

    bootstrap_servers: str | None = None
    redis_url: str | None = None
    registry_url: str | None = None
    postgres_url: str | None = None
    otlp_endpoint: str | None = None
    jaeger_url: str | None = None


@dataclass(frozen=True)
class ServiceStatus:
    """One server of a stack."""

    service: Service
    health: Health
    pid: int | None
    port: int
    log: Path
