"""The sections about the work itself: handler, retries, flow, ranges to run again."""

from typing import Annotated

from pydantic import Field

from doublegate.contract.fields import HttpUrl, Section
from doublegate.contract.units import ByteSize, Duration, byte_size_between, duration_between

__all__ = [
    "ConcurrencySpec",
    "FlowSpec",
    "HandlerSpec",
    "HttpHandlerSpec",
    "OffsetRange",
    "ReprocessSpec",
    "RetrySpec",
]


class HttpHandlerSpec(Section):
    """A handler behind HTTP."""

    url: HttpUrl = Field(description="Gets one POST per event, with Idempotency-Key and the trace context.")


class HandlerSpec(Section):
    """What performs the effect: exactly one of python and http."""

    python: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
        examples=["shop.payments:charge"],
        description="Callable as module:name, importable in the image.",
    )
    http: HttpHandlerSpec | None = Field(None, description="HTTP endpoint.")
    timeout: Annotated[Duration, duration_between("10ms", "1h")] = Field(
        "10s",
        validate_default=True,
        description="An attempt that takes longer has an unknown outcome, 10ms to 1h.",
    )
    idempotent: bool = Field(
        False,
        description="The handler may run twice without harm, so an unhandled exception is freely retried.",
    )


class RetrySpec(Section):
    """What happens after an attempt that did not perform the effect."""

    attempts: int = Field(5, ge=1, le=1000, description="Attempts in all before the dead letter.")
    initial_backoff: Annotated[Duration, duration_between("1ms", "1h")] = Field(
        "200ms",
        validate_default=True,
        description="Wait before the second attempt, 1ms to 1h; doubled each time.",
    )
    max_backoff: Annotated[Duration, duration_between("1ms", "1d")] = Field(
        "30s", validate_default=True, description="Longest wait, 1ms to 1d; at least initialBackoff."
    )
    crashes: int = Field(
        3,
        ge=1,
        le=1000,
        description="Owners that may die with the event in hand before it is a dead letter: an event "
        "that kills "
        "its process must not kill the group.",
    )


class ConcurrencySpec(Section):
    """Bounds of the adaptive concurrency."""

    min: int = Field(1, ge=1, le=1024, description="Workers at least.")
    max: int = Field(64, ge=1, le=1024, description="Workers at most; at least min.")


class FlowSpec(Section):
    """How much one process takes at a time."""

    max_in_flight: int = Field(
        2000,
        ge=1,
        le=1_000_000,
        description="Events that a process holds at most; a full one pauses its partitions.",
    )
    max_bytes: Annotated[ByteSize, byte_size_between("1Mi", "64Gi")] = Field(
        "64Mi", validate_default=True, description="Bytes that a process holds at most, 1Mi to 64Gi."
    )
    concurrency: ConcurrencySpec = Field(
        default_factory=ConcurrencySpec,
        description="Workers, adapted within these bounds to what the far side bears.",
    )
    producer_signal: bool = Field(
        False,
        description="Tell producers that follow how fast to write, so that the lag stays below twice "
        "scaling.targetDrain. Off: a group that others must wait for is one by choice.",
    )


class OffsetRange(Section):
    """Offsets of one partition."""

    partition: int = Field(ge=0, description="Partition of the source topic.")
    from_offset: int = Field(ge=0, description="First offset.")
    to_offset: int = Field(ge=0, description="The offset after the last, as Kafka counts ends.")


class ReprocessSpec(Section):
    """What shall run again on purpose, although it is DONE."""

    id: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        examples=["refund-2026-03"],
        description="Name of the order. An order performs once: to run a range again, name a new one.",
    )
    ranges: list[OffsetRange] = Field(min_length=1, description="Ranges of the source topic.")
