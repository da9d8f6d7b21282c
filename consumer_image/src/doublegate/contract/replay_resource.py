"""The `DeadLetterReplay` resource: which dead letters of a consumer are sent again, once."""

from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from doublegate.contract.consumer_status import Condition, Written
from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.errors import InvalidReplay, Problem
from doublegate.contract.explain import checked
from doublegate.contract.fields import Choice, DnsName, Section
from doublegate.contract.resource import Metadata, without_status
from doublegate.contract.units import Rate
from doublegate.contract.yaml_file import read_mapping

__all__ = [
    "ConsumerRef",
    "DeadLetterReplay",
    "Phase",
    "ReplaySpec",
    "ReplayStatus",
    "SelectorSpec",
    "load_replay",
    "parse_replay",
]

MOST_NAMED = 1000
"""Reasons and ids of one selector: a resource is no place for a list without end."""


def _instant(value: object) -> datetime:
    """No numbers: pydantic would take them for seconds since 1970, and the API server doesn't."""
    with suppress(ValueError):
        if isinstance(value, str) and "T" in value:
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise PydanticCustomError("dg_instant", "allowed: a time with its zone, such as 2026-03-01T00:00:00Z")


_Instant = Annotated[datetime, BeforeValidator(_instant)]


class ConsumerRef(Section):
    """An IdempotentConsumer in the same namespace."""

    name: DnsName = Field(description="Its name.")


class SelectorSpec(Section):
    """Which letters; one has to pass all that is given, and an empty selector lets everything through."""

    reasons: list[Annotated[DeadLetterReason, Choice]] = Field(
        default_factory=list, max_length=len(DeadLetterReason), description="Of these reasons."
    )
    ids: list[Annotated[str, Field(min_length=1, max_length=255)]] = Field(
        default_factory=list, max_length=MOST_NAMED, description="Of these events."
    )
    failed_after: _Instant | None = Field(None, description="Failed at this time or later.")
    failed_before: _Instant | None = Field(None, description="Failed before this time.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        after, before = self.failed_after, self.failed_before
        if after is not None and before is not None and after >= before:
            text = f"given {_told(before)}; allowed: later than failedAfter ({_told(after)})"
            problem = Problem("spec.selector.failedBefore", text)
            raise PydanticCustomError("dg_rules", "{text}", {"text": str(problem), "problems": [problem]})
        return self


class ReplaySpec(Section):
    """What shall be sent again. It can't be changed: a replay is made once."""

    consumer_ref: ConsumerRef = Field(description="Whose dead letters.")
    selector: SelectorSpec = Field(default_factory=SelectorSpec, description="Which of them.")
    dry_run: bool = Field(False, description="Count what would be sent, and send nothing.")
    rate: Rate | None = Field(
        None, description="Letters per second at most (0.001 to 10000000); as fast as it goes when absent."
    )
    max_events: int | None = Field(None, ge=1, le=10**9, description="Send so many at most.")
    accept_unknown: bool = Field(
        False, description="Events too whose effect may have happened; the far side stands a second one."
    )
    accept_conflicts: bool = Field(
        False, description="Events too whose id came with another payload, each under an id of its own."
    )


class Phase(StrEnum):
    """How far a replay is."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


class ReplayStatus(Written):
    """What became of it; written by the operator alone."""

    observed_generation: int | None = Field(None, description="The generation that this status is of.")
    conditions: list[Condition] = Field(
        default_factory=list, description="By type: Ready, Reconciling, Stalled."
    )
    phase: Annotated[Phase, Choice] | None = Field(None, description="How far it is.")
    replay_id: str | None = Field(None, description="Marks what is sent, as the header dg-replay-id.")
    job_name: str | None = Field(None, description="The Job that sends.")
    matched: int | None = Field(None, description="Letters that the selector let through.")
    replayed: int | None = Field(None, description="Sent and acknowledged.")
    done: int | None = Field(None, description="Performed, or proven to be performed already.")
    failed_again: int | None = Field(None, description="Dead letters again.")
    skipped: dict[str, int] | None = Field(None, description="Matched and not sent, by why.")
    position: dict[str, int] | None = Field(None, description="Next letter by partition.")
    complete: bool | None = Field(None, description="Every letter was seen; false when maxEvents came first.")
    started_at: str | None = Field(None, max_length=40, description="When the Job was made.")
    finished_at: str | None = Field(None, max_length=40, description="When it ended.")


class DeadLetterReplay(Section):
    """One replay, as a person orders it."""

    api_version: Literal["doublegate.dev/v1alpha1"] = Field(description="Version of this contract.")
    kind: Literal["DeadLetterReplay"] = Field(description="DeadLetterReplay.")
    metadata: Metadata = Field(description="Name and namespace.")
    spec: ReplaySpec = Field(description="What shall be sent again.")

    _drop_status = model_validator(mode="before")(without_status)


def parse_replay(given: object, source: str = "resource") -> DeadLetterReplay:
    """Check a resource that is already parsed from YAML or JSON.

    Raises:
        InvalidReplay: one line per problem: field path, what was given, what is allowed.
    """
    return checked(DeadLetterReplay, given, source, InvalidReplay)


def load_replay(path: Path | str) -> DeadLetterReplay:
    """Read a resource from a YAML file that holds exactly one.

    Raises:
        InvalidReplay: the file is not readable, not YAML, or not a valid resource.
    """
    return parse_replay(read_mapping(Path(path), InvalidReplay), str(path))


def _told(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
