"""What follows from the sections of the configuration together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from doublegate.contract.errors import Problem

if TYPE_CHECKING:
    from infra.settings import Settings

__all__ = ["MAKE", "fitting", "for_production"]

MAKE = "`.venv/bin/python -m infra.credentials` makes it"
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def fitting(settings: Settings) -> Iterator[Problem]:
    """What the sections need of each other in any stack."""
    for name in settings.own_images:
        if getattr(settings.images, name) is None:
            yield Problem(f"images.{name}", "missing; allowed: the image of what the stack runs itself")
    names = [consumer.name for consumer in settings.consumers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("consumers", f"{name} is there {names.count(name)} times; allowed: once")
    yield from _registry(settings)
    yield from _secrets(settings)


def _registry(settings: Settings) -> Iterator[Problem]:
    apicurio = settings.registry and settings.registry.apicurio
    if not apicurio:
        return
    if apicurio.storage == "PostgreSql" and settings.postgres is None:
        yield Problem("registry.apicurio.storage", "PostgreSql needs the section postgres; allowed: with it")
    standalone = settings.kafka.standalone
    if apicurio.storage == "KafkaSql" and (standalone is None or standalone.secure):
        yield Problem(
            "registry.apicurio.storage",
            "KafkaSql needs kafka.standalone with secure: false; allowed here: PostgreSql",
        )


def _secrets(settings: Settings) -> Iterator[Problem]:
    for name in settings.wanted_passwords:
        if name not in settings.secrets.passwords:
            yield Problem(f"secrets.passwords.{name}", f"missing; {MAKE}")
    for name in settings.wanted_certificates:
        if name not in settings.secrets.certificates:
            yield Problem(f"secrets.certificates.{name}", f"missing; {MAKE}")
    if settings.wanted_certificates and settings.secrets.authority is None:
        yield Problem("secrets.authority", f"missing; {MAKE}")


def for_production(settings: Settings) -> Iterator[Problem]:
    """What a stack in production may not do without."""
    for name in settings.own_images:
        image = getattr(settings.images, name)
        if image is not None and not _DIGEST.search(image):
            yield Problem(
                f"images.{name}",
                f"given {image!r}; allowed in production: an image by its digest, name@sha256:...",
            )
    stateful = {
        "kafka.standalone": settings.kafka.standalone,
        "ledger.standalone": settings.ledger.standalone,
    }
    for path, server in stateful.items():
        if server is not None and not server.secure:
            yield Problem(f"{path}.secure", "given false; allowed in production: true")
    for path, kept in {**stateful, "postgres": settings.postgres}.items():
        if kept is not None and kept.storage is None:
            yield Problem(f"{path}.storage", "missing; allowed in production: a volume, such as {size: 10Gi}")
    if settings.kafka.standalone is not None and settings.kafka.standalone.brokers == 1:
        yield Problem("kafka.standalone.brokers", "given 1; allowed in production: 3")
