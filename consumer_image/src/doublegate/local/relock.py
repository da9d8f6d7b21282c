"""Regenerates the lock of downloaded files: `python -m doublegate.local.relock`.

Run it after changing a version below, and review the difference like code.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

from jgo.maven import MavenContext

from doublegate.local.artifacts import LOCK

KAFKA = "4.3.1"
LOG4J = "2.25.4"  # what this Kafka brings itself, without the bridge from slf4j
REGISTRY = "3.3.3"
HEADER = "# Written by `python -m doublegate.local.relock`: what is downloaded, and nothing else.\n"


def kafka(context: MavenContext) -> list[Any]:
    """The broker with its runtime dependencies, and the bridge without which it logs nothing.

    They are resolved one by one: jgo takes every root for a BOM, and Log4j's would bring an old Kafka client.
    """
    found: dict[tuple[str, str], Any] = {}
    for root in (
        f"org.apache.kafka:kafka_2.13:{KAFKA}",
        f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}",
    ):
        inputs, transitive = context.resolver.resolve([context.create_dependency(root)])
        for dependency in (*inputs, *transitive):
            found.setdefault((dependency.groupId, dependency.artifactId), dependency.artifact)
    return list(found.values())


def registry(context: MavenContext) -> list[Any]:
    """Apicurio's application as one archive."""
    component = context.project("io.apicurio", "apicurio-registry-app").at_version(REGISTRY)
    return [component.artifact("all", "tar.gz")]


def section(name: str, version: str, artifacts: list[Any]) -> str:
    """One table of the lock."""
    lines = [f"\n[{name}]", f'version = "{version}"', "artifacts = ["]
    for artifact in sorted(artifacts, key=str):
        path = artifact.resolve()
        coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        if artifact.classifier:
            coordinate += f":{artifact.packaging}:{artifact.classifier}"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(
            f'  {{ coordinate = "{coordinate}", sha256 = "{digest}", size = {path.stat().st_size} }},'
        )
    return "\n".join([*lines, "]", ""])


def main() -> None:
    """Resolve, download, hash, write."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    with tempfile.TemporaryDirectory() as aside:
        context = MavenContext(repo_cache=Path(aside), timeout=60)
        text = (
            HEADER
            + section("kafka", KAFKA, kafka(context))
            + section("registry", REGISTRY, registry(context))
        )
    LOCK.write_text(text)


if __name__ == "__main__":
    main()
