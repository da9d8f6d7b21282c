"""KEDA's objects: the ScaledObject, and how it logs in to Kafka."""

from __future__ import annotations

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import KafkaAuth
from doublegate_operator.core.meta import manifest
from doublegate_operator.core.scaling import ScalingPlan
from doublegate_operator.core.wanted import Object

__all__ = ["scaled_object", "trigger_authentication"]

_API = "keda.sh/v1alpha1"
_POLL_SECONDS = 5
_CALM_SECONDS = 120  # a lag that is gone for so long is gone
_STEP_SECONDS = 60  # one pod at a time, since each step makes everybody's partitions move
_SYNC_SECONDS = 15  # the autoscaler looks so often, so a step may take so much longer
_ONE_POD_DOES = 10**12  # the replay topic's only partition: its lag asks for one pod, however large
_MECHANISMS = {"PLAIN": "plaintext", "SCRAM-SHA-256": "scram_sha256", "SCRAM-SHA-512": "scram_sha512"}


def scaled_object(consumer: IdempotentConsumer, scaling: ScalingPlan, auth: KafkaAuth | None) -> Object:
    """Scale the Deployment by lag.

    The partitions cap it by the autoscaler's own maximum: KEDA's cap is off by one (keda#4483) and keeps the
    last pod away (keda#2908), hence `allowIdleConsumers`; the autoscaler's tolerance of 10% would do the
    same, hence 0. From one pod to none KEDA jumps past the autoscaler's steps, so the cooldown is what those
    take.
    """
    spec = consumer.spec
    down = {"type": "Pods", "value": 1, "periodSeconds": _STEP_SECONDS}
    up = {"type": "Pods", "value": scaling.maximum, "periodSeconds": _SYNC_SECONDS}
    triggers = [_trigger(consumer, auth, spec.kafka.topic, scaling.threshold, scaling.activation)]
    if scaling.minimum == 0:
        triggers.append(_trigger(consumer, auth, spec.replay_topic, _ONE_POD_DOES, 0))
    return manifest(
        consumer,
        _API,
        "ScaledObject",
        annotations={"autoscaling.keda.sh/paused": "true"} if spec.paused else {},
        spec={
            "scaleTargetRef": {"name": consumer.metadata.name},
            "pollingInterval": _POLL_SECONDS,
            "cooldownPeriod": _CALM_SECONDS + (_STEP_SECONDS + _SYNC_SECONDS) * scaling.maximum,
            "minReplicaCount": scaling.minimum,
            "maxReplicaCount": scaling.maximum,
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleUp": {"stabilizationWindowSeconds": 0, "tolerance": "0", "policies": [up]},
                        "scaleDown": {"stabilizationWindowSeconds": _CALM_SECONDS, "policies": [down]},
                    }
                }
            },
            "triggers": triggers,
        },
    )


def trigger_authentication(consumer: IdempotentConsumer, auth: KafkaAuth) -> Object | None:
    """The keys of the Secret that KEDA shall read itself; None when it needs none."""
    named: dict[str, str] = {}
    if auth.mechanism is not None:
        named |= {"username": "username", "password": "password"}
    if auth.ca:
        named |= {"ca": "ca.crt"}
    if auth.certificate:
        named |= {"cert": "tls.crt", "key": "tls.key"}
    if not named:
        return None
    secret = consumer.spec.kafka.security_ref
    refs = [{"parameter": name, "name": secret, "key": key} for name, key in named.items()]
    return manifest(consumer, _API, "TriggerAuthentication", spec={"secretTargetRef": refs})


def _trigger(
    consumer: IdempotentConsumer, auth: KafkaAuth | None, topic: str, threshold: int, activation: int
) -> Object:
    kafka = consumer.spec.kafka
    metadata = {
        "bootstrapServers": kafka.bootstrap_servers,
        "consumerGroup": kafka.group,
        "topic": topic,
        "lagThreshold": str(threshold),
        "activationLagThreshold": str(activation),
        "offsetResetPolicy": "earliest",
        "allowIdleConsumers": "true",
    }
    trigger: Object = {"type": "kafka", "metadata": metadata}
    if auth is None:
        return trigger
    if auth.mechanism is not None:
        metadata["sasl"] = _MECHANISMS[auth.mechanism]
    if auth.protocol.endswith("SSL"):
        metadata["tls"] = "enable"
    if trigger_authentication(consumer, auth) is not None:
        trigger["authenticationRef"] = {"name": consumer.metadata.name}
    return trigger
