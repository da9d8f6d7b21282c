"""The status of the resource, as the operator writes it: kstatus conditions and the figures."""

from typing import Literal

from pydantic import ConfigDict, Field

from doublegate.contract.fields import Section

__all__ = ["Condition", "ConsumerStatus", "FilterFigures", "LedgerFigures", "ScalingFigures", "Written"]


class Written(Section):
    """What our own code makes, by the fields' names in Python."""

    model_config = ConfigDict(validate_by_name=True)


class Condition(Written):
    """One observation about the resource, by type."""

    type: str = Field(pattern=r"^[A-Za-z]+$", max_length=64, description="What is observed.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is so.")
    reason: str = Field(pattern=r"^[A-Za-z]+$", max_length=128, description="Why, in one word.")
    message: str = Field("", max_length=4096, description="Why, and what to do next.")
    observed_generation: int = Field(ge=0, description="The generation that this was said of.")
    last_transition_time: str = Field(
        max_length=40, description="When status changed last.", json_schema_extra={"format": "date-time"}
    )


class FilterFigures(Written):
    """Gate 1, over all pods; fill and rates are the fullest one's."""

    bytes_per_pod: int | None = Field(None, description="Filter and exact memory of a pod that holds all.")
    predicted_false_positive_rate: float | None = Field(None, description="By the filters' fill.")
    observed_false_positive_rate: float | None = Field(None, description="As counted.")
    fill: float | None = Field(None, description="Ids held against those sized for; above 1 is Saturated.")
    warm: int | None = Field(None, description="Partitions whose filter holds every id of its window.")


class LedgerFigures(Written):
    """Gate 2, as its size follows from rate and ttl."""

    entries: int | None = Field(None, description="DONE entries in a steady state at filter.expectedRate.")
    bytes: int | None = Field(None, description="Memory for them.")


class ScalingFigures(Written):
    """Why the number of pods is what it is."""

    reason: str | None = Field(None, description="Why, in one word.")
    message: str | None = Field(None, description="Why, in a sentence.")
    capacity_events_per_second: float | None = Field(None, description="What a pod is taken to manage.")
    lag_threshold: int | None = Field(None, description="Lag per pod that it drains in scaling.targetDrain.")
    max_replicas: int | None = Field(None, description="Pods at most now: partitions and freezes cap it.")
    observed_rate: float | None = Field(None, description="Events per second that the group finished.")
    committed: int | None = Field(None, description="Sum of committed offsets at observedAt.")
    observed_at: str | None = Field(None, description="When committed was read.")
    capacity_at: str | None = Field(
        None, description="When a pod last showed this capacity; absent while it is scaling.initialRate."
    )
    fewest_replicas: int | None = Field(None, description="Ready pods at least since observedAt.")
    most_replicas: int | None = Field(None, description="Ready pods at most since observedAt.")
    steady_replicas: int | None = Field(
        None, description="Ready pods that a backlog was last worked off with at a steady rate."
    )
    steady_rate: float | None = Field(None, description="Events per second that those finished together.")
    activation_lag: int | None = Field(
        None, description="Lag that no event makes up, such as markers of transactions; more than it wakes."
    )


class ConsumerStatus(Written):
    """What the operator found; written by it alone."""

    observed_generation: int | None = Field(None, description="The generation that this status is of.")
    conditions: list[Condition] = Field(
        default_factory=list,
        description="By type: Ready, Reconciling, Stalled, TopicsReady, LedgerReady, SchemaCompatible, "
        "ScalingReady, Paused.",
    )
    replicas: int | None = Field(None, description="Pods that there are.")
    ready_replicas: int | None = Field(None, description="Pods that are ready.")
    selector: str | None = Field(None, description="Labels of the pods, for the scale subresource.")
    lag: int | None = Field(None, description="Events published and not finished.")
    drain_seconds: float | None = Field(None, description="Lag against the ready pods' capacity.")
    dlq_open: int | None = Field(None, description="Dead letters in the topic.")
    dlq_oldest_seconds: float | None = Field(None, description="Age of the oldest of them.")
    unknown_outcomes: int | None = Field(None, description="Counted by the pods that live now.")
    filter: FilterFigures | None = Field(None, description="Gate 1.")
    ledger: LedgerFigures | None = Field(None, description="Gate 2.")
    scaling: ScalingFigures | None = Field(None, description="Replicas and why.")
    config_hash: str | None = Field(None, description="Of the configuration that the pods were given.")
