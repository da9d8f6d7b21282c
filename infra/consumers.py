"""Consumers of the configuration as complete resources, checked with the contract before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doublegate.contract import IdempotentConsumer, InvalidConsumer, parse_consumer
from doublegate.contract.errors import Problem
from doublegate.contract.flow_signal import CONTROL_TOPIC
from infra.addresses import Addresses, addresses_of
from infra.components.postgres import LOGIN
from infra.sections import Consumer
from infra.settings import NAMESPACE, InvalidSettings, Settings

__all__ = ["Resource", "resources", "rights"]

Resource = dict[str, Any]

_TOPIC_RIGHTS = ("READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "ALTER")
_SIGNAL_RIGHTS = ("WRITE", "CREATE", "DESCRIBE")
_GROUP_RIGHTS = ("READ", "DESCRIBE")


def resources(settings: Settings) -> dict[str, tuple[Resource, IdempotentConsumer]]:
    """By name: the resource to apply, and what it says.

    Raises:
        InvalidSettings: one of them is not valid; one line per problem.
    """
    made, problems, addresses = {}, [], addresses_of(settings)
    for number, consumer in enumerate(settings.consumers):
        given = {
            "apiVersion": "doublegate.dev/v1alpha1",
            "kind": "IdempotentConsumer",
            "metadata": {"name": consumer.name, "namespace": settings.namespace},
            "spec": _completed(consumer, settings, addresses),
        }
        path = f"{NAMESPACE}:consumers[{number}]"
        try:
            made[consumer.name] = (given, parse_consumer(given))
        except InvalidConsumer as error:
            problems += [Problem(f"{path}.{problem.path}", problem.text) for problem in error.problems]
    if problems:
        raise InvalidSettings("configuration", problems)
    return made


def rights(consumer: IdempotentConsumer) -> list[dict[str, str]]:
    """What the consumer, the operator and KEDA do in Kafka as its user: with its own topics and group."""
    spec = consumer.spec
    topics = (spec.kafka.topic, spec.dlq_topic, spec.replay_topic)
    return [
        *(
            {"resource": "TOPIC", "name": topic, "operation": operation}
            for topic in topics
            for operation in _TOPIC_RIGHTS
        ),
        *(
            {"resource": "TOPIC", "name": CONTROL_TOPIC, "operation": operation}
            for operation in _SIGNAL_RIGHTS
            if spec.flow.producer_signal
        ),
        *(
            {"resource": "GROUP", "name": spec.kafka.group, "operation": operation}
            for operation in _GROUP_RIGHTS
        ),
    ]


def _completed(consumer: Consumer, settings: Settings, addresses: Addresses) -> dict[str, Any]:
    """The given spec over the stack's own addresses and Secrets."""
    given = consumer.spec
    kafka: dict[str, Any] = {"bootstrapServers": addresses.bootstrap_servers}
    ledger: dict[str, Any] = {"url": addresses.ledger_url}
    if settings.kafka_users:
        kafka["securityRef"] = f"{consumer.name}-kafka"
    elif settings.kafka.external is not None and settings.kafka.external.security_ref is not None:
        kafka["securityRef"] = settings.kafka.external.security_ref
    if settings.kafka.standalone is not None and settings.kafka.standalone.brokers == 1:
        kafka |= {"replicationFactor": 1, "minInsyncReplicas": 1}
    if settings.ledger.standalone is not None:
        ledger["secretRef"] = f"{consumer.name}-ledger"
    elif settings.ledger.external is not None and settings.ledger.external.secret_ref is not None:
        ledger["secretRef"] = settings.ledger.external.secret_ref
    spec = {**given, "kafka": _over(kafka, given.get("kafka")), "ledger": _over(ledger, given.get("ledger"))}
    if addresses.otlp_endpoint is not None:
        spec["telemetry"] = _over({"otlpEndpoint": addresses.otlp_endpoint}, given.get("telemetry"))
    if "schema" in given and addresses.registry_url is not None:
        schema: dict[str, Any] = {"registryUrl": addresses.registry_url}
        external = settings.registry and settings.registry.external
        if external and external.secret_ref is not None:
            schema["secretRef"] = external.secret_ref
        spec["schema"] = _over(schema, given["schema"])
    if "inbox" in given and settings.postgres is not None:
        spec["inbox"] = _over({"secretRef": LOGIN}, given["inbox"])
    return spec


def _over(own: Mapping[str, Any], given: Any) -> Any:
    """What is given wins; what is no mapping is left for the contract to refuse."""
    return {**own, **given} if isinstance(given, dict) else own if given is None else given
