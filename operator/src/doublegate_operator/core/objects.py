"""All objects of a consumer, in the order in which they are applied."""

from __future__ import annotations

from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.config import config_map, resolved
from doublegate_operator.core.deployment import deployment
from doublegate_operator.core.facts import KafkaFacts, Observed
from doublegate_operator.core.meta import HASH_ANNOTATION, manifest, selector
from doublegate_operator.core.network import network_policy, pod_monitor, service
from doublegate_operator.core.scaled_object import scaled_object, trigger_authentication
from doublegate_operator.core.scaling import ScalingPlan
from doublegate_operator.core.settings import OperatorSettings
from doublegate_operator.core.wanted import Object

__all__ = ["objects", "template_hash", "workload_objects"]


def workload_objects(
    consumer: IdempotentConsumer,
    observed: Observed,
    settings: OperatorSettings,
    image: str,
    partitions: int,
) -> tuple[Object, ...]:
    """Everything but what KEDA reads; the Deployment is the last."""
    config = resolved(consumer)
    made = [config_map(consumer, config)]
    if consumer.spec.pod.service_account_name is None:
        made.append(manifest(consumer, "v1", "ServiceAccount", automountServiceAccountToken=False))
    made += [network_policy(consumer, settings), service(consumer), _disruption_budget(consumer)]
    if observed.pod_monitors:
        made.append(pod_monitor(consumer))
    made.append(deployment(consumer, image, partitions, config, observed.secrets))
    return tuple(made)


def objects(
    consumer: IdempotentConsumer, workload: tuple[Object, ...], scaling: ScalingPlan, kafka: KafkaFacts
) -> tuple[Object, ...]:
    """All of them."""
    if not scaling.keda:
        return workload
    login = trigger_authentication(consumer, kafka.auth) if kafka.auth is not None else None
    made = scaled_object(consumer, scaling, kafka.auth)
    return (*workload, *(() if login is None else (login,)), made)


def template_hash(workload: tuple[Object, ...]) -> str:
    """The content hash of the pods as they should be."""
    return str(workload[-1]["metadata"]["annotations"][HASH_ANNOTATION])


def _disruption_budget(consumer: IdempotentConsumer) -> Object:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": selector(consumer.metadata.name)}}
    return manifest(consumer, "policy/v1", "PodDisruptionBudget", spec=spec)
