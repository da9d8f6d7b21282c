"""The spec of the resource: its sections, and what follows from them together."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from doublegate.contract.fields import Choice, Section
from doublegate.contract.filter_spec import FilterSpec
from doublegate.contract.gate_spec import MAX_SESSION, IdentitySpec, InboxSpec, LedgerSpec
from doublegate.contract.kafka_spec import DlqSpec, GroupProtocol, KafkaSpec, SchemaSpec
from doublegate.contract.platform_spec import PodSpec, ScalingSpec, TelemetrySpec
from doublegate.contract.rules import broken_rules
from doublegate.contract.units import parse_duration
from doublegate.contract.work_spec import FlowSpec, HandlerSpec, ReprocessSpec, RetrySpec

__all__ = ["ConsumerSpec", "Mode"]

_MAX_KAFKA_SESSION = parse_duration(MAX_SESSION)
_MIN_KAFKA_SESSION = 6.0  # group.min.session.timeout.ms of a broker that nobody configured


class Mode(StrEnum):
    """Whether decisions are acted on."""

    ENFORCE = "Enforce"
    OBSERVE = "Observe"


class ConsumerSpec(Section):
    """What the consumer shall be."""

    image: str | None = Field(
        None, min_length=1, description="Container image with the handler; needed on Kubernetes only."
    )
    mode: Annotated[Mode, Choice] = Field(
        Mode.ENFORCE, description="Enforce acts on decisions; Observe counts them and suppresses nothing."
    )
    paused: bool = Field(False, description="Keep membership and work on nothing.")
    handler: HandlerSpec = Field(description="What performs the effect.")
    kafka: KafkaSpec = Field(description="Where the events come from.")
    identity: IdentitySpec = Field(
        default_factory=lambda: IdentitySpec.model_validate({}), description="Event id."
    )
    filter: FilterSpec = Field(default_factory=FilterSpec, description="Gate 1, in the pod's memory.")
    ledger: LedgerSpec = Field(default_factory=LedgerSpec, description="Gate 2, Redis or Valkey.")
    inbox: InboxSpec | None = Field(None, description="Gate 3, PostgreSQL; none when absent.")
    retries: RetrySpec = Field(default_factory=RetrySpec, description="After a failed attempt.")
    dlq: DlqSpec = Field(default_factory=DlqSpec, description="Dead letters.")
    schema_: SchemaSpec | None = Field(
        None, alias="schema", description="Schema registry; payloads are plain bytes when absent."
    )
    scaling: ScalingSpec = Field(default_factory=ScalingSpec, description="How many pods.")
    flow: FlowSpec = Field(default_factory=FlowSpec, description="How much at a time.")
    telemetry: TelemetrySpec = Field(default_factory=TelemetrySpec, description="Traces and metrics.")
    pod: PodSpec = Field(default_factory=PodSpec, description="Passed through to the pods.")
    reprocess: ReprocessSpec | None = Field(None, description="Ranges that shall run again on purpose.")

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if problems := broken_rules(self):
            text = "; ".join(map(str, problems))
            raise PydanticCustomError("dg_rules", "{text}", {"text": text, "problems": problems})
        return self

    @property
    def dlq_topic(self) -> str:
        """Where dead letters go: `dlq.topic`, or `<group>.dlq`."""
        return self.dlq.topic or f"{self.kafka.group}.dlq"

    @property
    def replay_topic(self) -> str:
        """Where replays are sent, read by this group alone: `<group>.replay`."""
        return f"{self.kafka.group}.replay"

    @property
    def schema_subject(self) -> str | None:
        """The value's subject: `schema.subject`, or `<topic>-value`; None without a registry."""
        return None if self.schema_ is None else self.schema_.subject or f"{self.kafka.topic}-value"

    @property
    def kafka_session(self) -> float:
        """Seconds for the client's `session.timeout.ms`, never less than the ledger's session.

        It follows `ledger.session`, so that a dead process's partitions move on when its claims do. The
        consumer protocol knows only the broker's setting, which is 45 s by default.
        """
        if self.kafka.group_protocol is GroupProtocol.CONSUMER:
            return _MAX_KAFKA_SESSION
        return max(self.ledger.session, _MIN_KAFKA_SESSION)
