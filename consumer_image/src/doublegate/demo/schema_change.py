"""The demo's part on schemas: two changes of the flights' schema are proposed, and one breaks its readers.

The earlier versions and the level are the registry's, and it is asked for its own verdict too. `story` calls
it, when nothing is sent any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doublegate.contract.kafka_spec import Compatibility
from doublegate.demo.proof import Invariant
from doublegate.evolution import Declaration, Finding, Format, check, load_declaration, read_schema
from doublegate.evolution.registered import Registered
from doublegate.evolution.repository import Subject
from doublegate.schemas.errors import Incompatible

if TYPE_CHECKING:
    from pathlib import Path

    from doublegate.demo.scene import Scene
    from doublegate.demo.settings import Settings
    from doublegate.demo.view import View

__all__ = ["REMOVED", "Proposal", "prove_schema_changes", "show_schema_changes"]

REMOVED = "distance"
ADDED = {"name": "gate", "type": ["null", "string"], "default": None}
CONSUMER_RULE = "consumer-broken"


@dataclass(frozen=True)
class Proposal:
    """A change and what became of it.

    Attributes:
        findings: of the check, before anything was registered.
        refusal: the registry's own words; empty when it took the change.
        versions: numbers of the subject's versions afterwards.
    """

    findings: tuple[Finding, ...]
    refusal: str
    versions: tuple[int, ...]


def show_schema_changes(settings: Settings, scene: Scene, view: View) -> list[Invariant]:
    """Propose one change that breaks readers, and one that does not.

    Raises:
        CannotCheck: the registry does not answer, or a file can't be read.
    """
    file = settings.examples / "flight.avsc"
    consumer = load_declaration(settings.examples / "flights.fields.json")
    registered = Registered(scene.endpoints.registry_url or "")
    schema: dict[str, Any] = json.loads(file.read_text())
    kept = [field for field in schema["fields"] if field["name"] != REMOVED]
    view.step(f"the flights' schema is proposed without {REMOVED}")
    broken = _propose(registered, consumer, file, {**schema, "fields": kept})
    for finding in broken.findings:
        view.step(f"  {finding.rule}: {finding.place}: {finding.what}")
    view.step(f"  the registry: {broken.refusal or 'takes it'}")
    view.step(f"it is proposed with a field more, {ADDED['name']}, that has a default")
    grown = _propose(registered, consumer, file, {**schema, "fields": [*schema["fields"], ADDED]})
    view.step(f"  {len(grown.findings)} findings; the registry: {grown.refusal or 'takes it'}")
    return prove_schema_changes(broken, grown, consumer.consumer)


def prove_schema_changes(broken: Proposal, grown: Proposal, consumer: str) -> list[Invariant]:
    """What must have become of the two changes, of a subject with one version."""
    found = [one for one in broken.findings if one.path == REMOVED]
    rules = [one for one in found if one.rule != CONSUMER_RULE]
    readers = [
        one for one in found if one.rule == CONSUMER_RULE and one.against.startswith(f"consumer {consumer} ")
    ]
    told = "; ".join(f"{one.rule}, {one.place}" for one in (*rules, *readers)) or "nothing"
    return [
        Invariant("schema_break_found", bool(rules and readers), f"the check finds: {told}"),
        Invariant(
            "schema_break_refused",
            bool(broken.refusal) and broken.versions == (1,),
            f"the registry {'refuses' if broken.refusal else 'takes'} that change too: versions "
            f"{list(broken.versions)}",
        ),
        Invariant(
            "schema_growth_passes",
            not grown.findings and not grown.refusal and grown.versions == (1, 2),
            f"a field with a default: {len(grown.findings)} findings, and the registry "
            f"{'refuses' if grown.refusal else 'takes'} it: versions {list(grown.versions)}",
        ),
    ]


def _propose(registered: Registered, consumer: Declaration, file: Path, changed: dict[str, Any]) -> Proposal:
    name = consumer.subject
    subject = Subject(
        name=name,
        file=file,
        schema=read_schema(json.dumps(changed), Format.AVRO, str(file)),
        level=Compatibility(registered.level(name)),
        earlier=(tuple(registered.versions(name)),),
        consumers=(consumer,),
    )
    findings, refusal = check(subject).findings, ""
    try:
        registered.register(name, subject.schema, subject.level)
    except Incompatible as error:
        refusal = str(error)
    return Proposal(findings, refusal, tuple(registered.numbers(name)))
