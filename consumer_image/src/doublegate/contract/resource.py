"""The `IdempotentConsumer` resource, strict: what it does not know, it refuses.

The one place to import the resource's models from; its sections stand in the `*_spec` modules.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from doublegate.contract.consumer_spec import ConsumerSpec, Mode
from doublegate.contract.errors import InvalidConsumer
from doublegate.contract.explain import checked
from doublegate.contract.fields import DnsName, Section
from doublegate.contract.filter_spec import FilterSpec, Snapshots
from doublegate.contract.gate_spec import (
    ClaimMode,
    ConflictOn,
    IdentitySpec,
    InboxSpec,
    LedgerSpec,
    OnUnavailable,
    OnUnknown,
)
from doublegate.contract.kafka_spec import (
    BreakerSpec,
    Compatibility,
    DlqSpec,
    GroupProtocol,
    KafkaSpec,
    OnFailure,
    Ordering,
    SchemaSpec,
)
from doublegate.contract.platform_spec import PodSpec, ScalingMode, ScalingSpec, TelemetrySpec
from doublegate.contract.work_spec import (
    ConcurrencySpec,
    FlowSpec,
    HandlerSpec,
    HttpHandlerSpec,
    OffsetRange,
    ReprocessSpec,
    RetrySpec,
)
from doublegate.contract.yaml_file import read_mapping

__all__ = [
    "BreakerSpec",
    "ClaimMode",
    "Compatibility",
    "ConcurrencySpec",
    "ConflictOn",
    "ConsumerSpec",
    "DlqSpec",
    "FilterSpec",
    "FlowSpec",
    "GroupProtocol",
    "HandlerSpec",
    "HttpHandlerSpec",
    "IdempotentConsumer",
    "IdentitySpec",
    "InboxSpec",
    "KafkaSpec",
    "LedgerSpec",
    "Metadata",
    "Mode",
    "OffsetRange",
    "OnFailure",
    "OnUnavailable",
    "OnUnknown",
    "Ordering",
    "PodSpec",
    "ReprocessSpec",
    "RetrySpec",
    "ScalingMode",
    "ScalingSpec",
    "SchemaSpec",
    "Snapshots",
    "TelemetrySpec",
    "load_consumer",
    "parse_consumer",
    "without_status",
]

# What an API server adds to a resource; a file fetched with `kubectl get -o yaml` must be readable.
_SERVER_WRITTEN = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
    }
)


def without_status(given: Any) -> Any:
    """A resource without what only the operator writes."""
    return _without(given, {"status"})


class Metadata(Section):
    """The part of Kubernetes' metadata that Doublegate uses."""

    name: DnsName = Field(description="Name of the resource.")
    namespace: DnsName = Field("default", description="Its namespace.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations.")
    uid: str | None = Field(None, description="Given by the API server; binds the group to this resource.")
    generation: int | None = Field(None, description="Given by the API server.")

    @model_validator(mode="before")
    @classmethod
    def _drop_server_written(cls, given: Any) -> Any:
        return _without(given, _SERVER_WRITTEN)


class IdempotentConsumer(Section):
    """One consumer, as a team writes it."""

    api_version: Literal["doublegate.dev/v1alpha1"] = Field(description="Version of this contract.")
    kind: Literal["IdempotentConsumer"] = Field(description="IdempotentConsumer.")
    metadata: Metadata = Field(description="Name and namespace.")
    spec: ConsumerSpec = Field(description="What the consumer shall be.")

    _drop_status = model_validator(mode="before")(without_status)


def parse_consumer(given: object, source: str = "resource") -> IdempotentConsumer:
    """Check a resource that is already parsed from YAML or JSON.

    Args:
        given: the mapping.
        source: what to call it in error messages.

    Raises:
        InvalidConsumer: one line per problem: field path, what was given, what is allowed.
    """
    return checked(IdempotentConsumer, given, source, InvalidConsumer)


def load_consumer(path: Path | str) -> IdempotentConsumer:
    """Read a resource from a YAML file that holds exactly one.

    Raises:
        InvalidConsumer: the file is not readable, not YAML, or not a valid resource.
    """
    return parse_consumer(read_mapping(Path(path)), str(path))


def _without(given: Any, names: frozenset[str] | set[str]) -> Any:
    return {k: v for k, v in given.items() if k not in names} if isinstance(given, dict) else given
