"""What a consumer process tells producers of its topic: how far behind it is, and how fast they should write.

One JSON message per process and second, on a compacted control topic and in the ledger's server. Consumers
publish it (`runtime.flow`), producers add the members of each group up (`contract.flow_board`).
"""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field, model_validator
from pydantic_core import PydanticCustomError

from doublegate.contract.fields import GroupName, TopicName

__all__ = [
    "CONTROL_TOPIC",
    "GAIN",
    "INTERVAL",
    "LIFETIME",
    "FlowSignal",
    "flow_key",
    "read_signal",
    "suggested_rate",
]

CONTROL_TOPIC: Final = "doublegate.flow"
INTERVAL: Final = 1.0
"""Seconds between two messages of a process."""
LIFETIME: Final = 10.0
"""Seconds that a message counts: the election of a partition's leader should not free the producers."""
_LONGEST_LIFETIME: Final = 60.0
"""A broken message must not slow anybody down for ever."""

GAIN: Final = 0.5
"""A short backlog may grow by half of what is worked off; more is quicker, and swings if told late."""
_FLOOR: Final = 0.05
"""Of the capacity: producers that write nothing would find out late that the group is well again."""
_FREE: Final = 0.1
"""Of the target: below it a backlog is what work looks like."""


def suggested_rate(capacity: float, lag: float, target: float) -> float | None:
    """Events per second that a producer should write; None is no limit.

    With capacity c and the time to drain d = lag / c, the rate is c * (1 + k * (1 - d / target)). The lag
    then changes by k * (c - lag / target) a second: a system of first order, which comes to c * target
    exponentially with the time constant target / k and does not overshoot. Far above, from 2.9 targets on,
    the floor of 5% holds.

    Args:
        capacity: events per second that the group works off.
        lag: events that wait.
        target: seconds that working them off may take.
    """
    filled = lag / capacity / target
    return None if filled < _FREE else capacity * max(_FLOOR, 1 + GAIN * (1 - filled))


_Partition = Annotated[int, Field(ge=0)]
_Positive = Annotated[float, Field(ge=1e-6, le=1e12)]


class FlowSignal(BaseModel):
    """One process's word; unknown fields are for later versions.

    Attributes:
        version: of the message; another one is not understood.
        topic: the source topic.
        group: the consumer group.
        member: the process, unique in its group.
        partitions: those of the topic that it owns; without any it adds nothing to its group.
        lag: records behind the ends of its partitions.
        capacity: events per second that it works off.
        target: seconds that working off the lag may take.
        at: when it was said, Unix time of the consumer.
        expires: when it counts no more, by the same clock.
    """

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    version: Literal[1] = 1
    topic: TopicName
    group: GroupName
    member: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$", max_length=249)]
    partitions: tuple[_Partition, ...]
    lag: Annotated[int, Field(ge=0, lt=2**63)]
    capacity: _Positive
    target: _Positive
    at: float
    expires: float

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if not 0 < self.lifetime <= _LONGEST_LIFETIME:
            raise PydanticCustomError("dg_lifetime", "allowed: more than 0 s and at most 60 s")
        return self

    @computed_field  # type: ignore[prop-decorator]  # mypy does not know pydantic's
    @property
    def drain(self) -> float:
        """Seconds that working off the lag takes."""
        return self.lag / self.capacity

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rate(self) -> float | None:
        """This process's part of the suggested rate; written for readers that do not know the law."""
        return suggested_rate(self.capacity, self.lag, self.target)

    @property
    def lifetime(self) -> float:
        """Seconds that it counts."""
        return self.expires - self.at

    @property
    def key(self) -> bytes:
        """The record's key on the control topic; a record without a value takes the word back."""
        return flow_key(self.topic, self.group, self.member)

    def to_bytes(self) -> bytes:
        """The message."""
        return self.model_dump_json().encode()


def flow_key(topic: str, group: str, member: str) -> bytes:
    """Names one process on the control topic; none of the parts can hold a slash."""
    return f"{topic}/{group}/{member}".encode()


def read_signal(value: bytes | None) -> FlowSignal | None:
    """The message; None for what is not one: anybody may have written to the topic."""
    try:
        return FlowSignal.model_validate_json(value or b"")
    except ValidationError:
        return None
