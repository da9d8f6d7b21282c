"""Options that several commands share, and what they open."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from doublegate.contract.resource import IdempotentConsumer

__all__ = [
    "AsJson",
    "Consumer",
    "FailedAfter",
    "FailedBefore",
    "Ids",
    "Opened",
    "Reasons",
    "filters_of",
    "open_consumer",
]

IN_A_POD = Path("/etc/doublegate/consumer.yaml")

Consumer = Annotated[
    Path,
    typer.Option(
        "--consumer",
        "-c",
        envvar="DOUBLEGATE_CONSUMER",
        help="The consumer's YAML; in a pod it is found by itself.",
    ),
]
Reasons = Annotated[
    list[str] | None,
    typer.Option("--reason", help="failed, poison, schema, conflict, unknown_outcome or parked; repeatable."),
]
Ids = Annotated[list[str] | None, typer.Option("--id", help="An event id; repeatable.")]
FailedAfter = Annotated[
    str | None, typer.Option("--failed-after", help="ISO 8601; failed at this time or later.")
]
FailedBefore = Annotated[
    str | None, typer.Option("--failed-before", help="ISO 8601; failed before this time.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@dataclass(frozen=True)
class Opened:
    """A consumer and the way to its brokers."""

    consumer: "IdempotentConsumer"
    kafka: dict[str, Any]


def open_consumer(path: Path) -> Opened:
    """Read the resource and its connection's secrets.

    Raises:
        InvalidConsumer: With every problem of the file.
        SecretUnavailable: With the secret's name.
    """
    from doublegate.contract.connections import KafkaConnection  # noqa: PLC0415
    from doublegate.contract.resource import load_consumer  # noqa: PLC0415

    consumer = load_consumer(path)
    return Opened(consumer, KafkaConnection.from_spec(consumer.spec.kafka).client_config())


def filters_of(
    reasons: list[str] | None, ids: list[str] | None, after: str | None, before: str | None
) -> dict[str, Any]:
    """The filters as `Selection` takes them.

    Raises:
        BadParameter: With the option and what is allowed.
    """
    from doublegate.contract.deadletter import DeadLetterReason  # noqa: PLC0415

    known = [reason.value for reason in DeadLetterReason]
    for reason in reasons or ():
        if reason not in known:
            raise typer.BadParameter(f"{reason!r}; allowed: {', '.join(known)}", param_hint="--reason")
    return {
        "reasons": frozenset(map(DeadLetterReason, reasons or ())),
        "ids": frozenset(ids or ()),
        "failed_after": _time(after, "--failed-after"),
        "failed_before": _time(before, "--failed-before"),
    }


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}; allowed: ISO 8601 such as 2026-05-01T12:00:00Z", param_hint=option
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
