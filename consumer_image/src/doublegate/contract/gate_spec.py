"""The sections about the gates: identity, ledger, inbox (the filter has its own module)."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from doublegate.contract.fields import Choice, RedisUrl, SecretRef, Section
from doublegate.contract.headers import CE_ID, CE_SOURCE, CORRELATION_ID
from doublegate.contract.units import Duration, duration_between

__all__ = [
    "MAX_SESSION",
    "ClaimMode",
    "ConflictOn",
    "IdentitySpec",
    "InboxSpec",
    "LedgerSpec",
    "OnUnavailable",
    "OnUnknown",
]

MAX_SESSION = "45s"
"""Kafka's default session timeout, fixed on the broker by the consumer protocol: no lease may outlive it."""


class ConflictOn(StrEnum):
    """What makes a second record with the same id a conflict instead of a duplicate."""

    PAYLOAD = "Payload"
    NONE = "None"


class ClaimMode(StrEnum):
    """How an effect is entitled to start."""

    PER_EVENT = "PerEvent"
    PER_PARTITION = "PerPartition"


class OnUnavailable(StrEnum):
    """What to do while the ledger is away."""

    BLOCK = "Block"
    BYPASS = "Bypass"


class OnUnknown(StrEnum):
    """What to do with an event whose effect may have happened."""

    RETRY = "Retry"
    DEAD_LETTER = "DeadLetter"


class IdentitySpec(Section):
    """What makes two records the same event. Immutable."""

    header: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        examples=[CORRELATION_ID],
        description="Header that carries the id; correlation_id when none of the three sources is given.",
    )
    cloud_events: bool = Field(False, description="Take ce_source and ce_id together as the id.")
    payload_field: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="Top-level field of the decoded payload that is the id.",
    )
    conflict_on: Annotated[ConflictOn, Choice] = Field(
        ConflictOn.PAYLOAD,
        description="Payload: the same id with another payload is a conflict and a dead letter; None: a "
        "duplicate.",
    )
    conflict_ignore: list[str] = Field(
        default_factory=list,
        description="Top-level payload fields that may differ between copies, such as a send time.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_header(cls, given: Any) -> Any:
        # Not a plain default: it would clash with cloudEvents or payloadField when only those are given.
        if not isinstance(given, dict) or given.get("cloudEvents"):
            return given
        if given.get("header") is None and given.get("payloadField") is None:
            return {**given, "header": CORRELATION_ID}
        return given

    @property
    def where(self) -> str:
        """The id's place in words, for messages."""
        if self.cloud_events:
            return f"headers {CE_SOURCE} and {CE_ID}"
        return f"payload field {self.payload_field}" if self.header is None else f"header {self.header}"


class LedgerSpec(Section):
    """Gate 2: Redis or Valkey."""

    url: RedisUrl = Field(
        "redis://localhost:6379/0",
        validate_default=True,
        description="Server, or one node of a Redis Cluster; rediss:// for TLS. Immutable. The default "
        "is for one machine.",
    )
    secret_ref: SecretRef | None = Field(
        None, description="Secret with username, password, ca.crt, tls.crt, tls.key (each optional)."
    )
    ttl: Annotated[Duration, duration_between("1s", "365d")] = Field(
        "1h",
        validate_default=True,
        description="How long DONE entries live, 1s to 365d; older positions are below the watermark.",
    )
    claim: Annotated[ClaimMode, Choice] = Field(
        ClaimMode.PER_EVENT,
        description="PerEvent names an unknown outcome event by event; PerPartition names a range and "
        "is faster.",
    )
    session: Annotated[Duration, duration_between("1s", MAX_SESSION)] = Field(
        "10s",
        validate_default=True,
        description="A process silent for so long has lost its claims, 1s to 45s; shorter moves on "
        "sooner after a "
        "crash, longer forgives longer pauses. Kafka's session timeout follows it.",
    )
    on_unavailable: Annotated[OnUnavailable, Choice] = Field(
        OnUnavailable.BLOCK,
        description="Block pauses until the ledger is back; Bypass trusts the inbox alone.",
    )
    on_unknown: Annotated[OnUnknown, Choice] = Field(
        OnUnknown.RETRY,
        description="Retry runs the handler again with the same Idempotency-Key; DeadLetter leaves it "
        "to a person.",
    )
    min_replicas_acked: int = Field(
        0,
        ge=0,
        le=16,
        description="Replicas that must have a claim before its effect starts (WAIT); 0 trusts one server.",
    )


class InboxSpec(Section):
    """Gate 3, optional: a unique row in PostgreSQL, in the effect's own transaction."""

    secret_ref: SecretRef = Field(
        description="Secret with dsn, or host, port, dbname, username and password; optional sslmode, "
        "ca.crt, "
        "tls.crt, tls.key."
    )
    retention: Annotated[Duration, duration_between("1m", "3650d")] = Field(
        "14d",
        validate_default=True,
        description="How long rows live, 1m to 3650d; at least as long as dead letters, which may be "
        "replayed.",
    )
