"""The one enumeration of reasons, for conditions and Events; docs/operator.md says what to do at each."""

from enum import StrEnum

__all__ = ["ConditionType", "Reason"]


class ConditionType(StrEnum):
    """Conditions of an IdempotentConsumer. Ready, Reconciling and Stalled are kstatus'."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    TOPICS_READY = "TopicsReady"
    LEDGER_READY = "LedgerReady"
    SCHEMA_COMPATIBLE = "SchemaCompatible"
    SCALING_READY = "ScalingReady"
    PAUSED = "Paused"


class Reason(StrEnum):
    """Why a condition is what it is, or what happened."""

    # In order.
    AS_SPECIFIED = "AsSpecified"
    PROGRESSING = "Progressing"
    IDLE = "Idle"
    NOT_USED = "NotUsed"
    MANUAL = "Manual"

    # The resource itself: Stalled until somebody changes it.
    INVALID = "Invalid"
    UNSUPPORTED = "Unsupported"
    FILTER_TOO_LARGE = "FilterTooLarge"
    GROUP_TAKEN = "GroupTaken"
    SECRET_MISSING = "SecretMissing"  # noqa: S105 a reason, no secret
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 a reason, no secret

    # Kafka.
    KAFKA_UNAVAILABLE = "KafkaUnavailable"
    KAFKA_REFUSED = "KafkaRefused"
    TOO_FEW_BROKERS = "TooFewBrokers"
    PARTITION_GROWTH_FORBIDDEN = "PartitionGrowthForbidden"
    TOPIC_CREATED = "TopicCreated"
    TOPIC_GROWN = "TopicGrown"
    TOPIC_CONFIGURED = "TopicConfigured"

    # The ledger.
    LEDGER_UNAVAILABLE = "LedgerUnavailable"
    LEDGER_REFUSED = "LedgerRefused"
    LEDGER_EVICTS = "LedgerEvicts"

    # The registry.
    REGISTRY_UNAVAILABLE = "RegistryUnavailable"
    REGISTRY_REFUSED = "RegistryRefused"
    COMPATIBILITY_SET = "CompatibilitySet"
    FIELD_UNREADABLE = "FieldUnreadable"
    SCHEMA_UNCLEAR = "SchemaUnclear"

    # Pods and their number.
    ROLLING_OUT = "RollingOut"
    PODS_NOT_READY = "PodsNotReady"
    POD_TROUBLE = "PodTrouble"
    NOT_ASSIGNED = "NotAssigned"
    KEDA_MISSING = "KedaMissing"
    SCALER_NOT_READY = "ScalerNotReady"
    CAPPED_AT_PARTITIONS = "CappedAtPartitions"
    FROZEN_DOWNSTREAM = "FrozenDownstream"
    FROZEN_LEDGER = "FrozenLedger"
    BY_LAG = "ByLag"
    PAUSED = "Paused"

    # A replay.
    CONSUMER_MISSING = "ConsumerMissing"
    REPLAY_RUNNING = "ReplayRunning"
    REPLAY_COMPLETE = "ReplayComplete"
    REPLAY_FAILED = "ReplayFailed"

    # Warnings.
    SATURATED = "Saturated"
    TTL_TOO_SHORT = "TtlTooShort"
    DRIFT_REPAIRED = "DriftRepaired"
    CONFLICTING_OBJECT = "ConflictingObject"
    API_REFUSED = "ApiRefused"
    SCHEMA_OUTDATED = "SchemaOutdated"
