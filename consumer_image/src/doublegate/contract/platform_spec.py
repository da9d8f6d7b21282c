"""The sections about the pods: scaling, telemetry, what is passed through."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from doublegate.contract.fields import Choice, DnsName, HttpUrl, Section
from doublegate.contract.units import Duration, Rate, duration_between

__all__ = ["PodSpec", "ScalingMode", "ScalingSpec", "TelemetrySpec"]

JsonObject = dict[str, JsonValue]


class ScalingMode(StrEnum):
    """Who decides on the number of pods."""

    KEDA = "Keda"
    MANUAL = "Manual"


class ScalingSpec(Section):
    """How many pods work."""

    mode: Annotated[ScalingMode, Choice] = Field(
        ScalingMode.KEDA, description="Keda scales by lag; Manual leaves replicas to you."
    )
    min_replicas: int = Field(1, ge=0, le=10_000, description="Pods at least; 0 sleeps on an idle topic.")
    max_replicas: int = Field(
        12,
        ge=1,
        le=10_000,
        description="Pods at most; a pod beyond the partitions would idle, so they cap it.",
    )
    target_drain: Annotated[Duration, duration_between("1s", "1d")] = Field(
        "30s", validate_default=True, description="A lag shall be worked off within this time, 1s to 1d."
    )
    initial_rate: Rate = Field(
        1000,
        description="Events per second (0.001 to 10000000) that a pod is taken to manage until it is "
        "measured.",
    )


class TelemetrySpec(Section):
    """Where traces and metrics go."""

    otlp_endpoint: HttpUrl | None = Field(
        None, description="OTLP over HTTP, such as http://jaeger:4318; nothing is exported when absent."
    )
    sample_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of events (0 to 1) traced by our producer; consumers follow its decision. A "
        "recorded "
        "span costs up to 0.1 ms, so 1%. Failures and unknown outcomes are always traced.",
    )


class PodSpec(Section):
    """Passed through to the pods as Kubernetes has it, which checks the values."""

    labels: dict[str, str] = Field(default_factory=dict, description="Further labels.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Further annotations.")
    resources: JsonObject = Field(default_factory=dict, description="Requests and limits.")
    env: list[JsonObject] = Field(default_factory=list, description="Environment of the container.")
    env_from: list[JsonObject] = Field(
        default_factory=list, description="Environment from ConfigMaps and Secrets."
    )
    node_selector: dict[str, str] = Field(default_factory=dict, description="Labels that the node must have.")
    tolerations: list[JsonObject] = Field(default_factory=list, description="Taints that are borne.")
    affinity: JsonObject = Field(default_factory=dict, description="Affinity of pods and nodes.")
    topology_spread_constraints: list[JsonObject] = Field(
        default_factory=list, description="How pods spread over zones and nodes."
    )
    priority_class_name: DnsName | None = Field(None, description="Priority class.")
    service_account_name: DnsName | None = Field(None, description="Service account.")
    image_pull_secrets: list[JsonObject] = Field(
        default_factory=list, description="Secrets to pull the image."
    )
    volumes: list[JsonObject] = Field(default_factory=list, description="Further volumes.")
    volume_mounts: list[JsonObject] = Field(
        default_factory=list, description="Their mounts in the container."
    )
    termination_grace_period_seconds: int | None = Field(
        None, ge=1, le=86_400, description="Time to drain; from handler.timeout when absent."
    )
