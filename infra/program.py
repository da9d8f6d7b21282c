"""The platform out of its parts, in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from doublegate.contract import IdempotentConsumer
from infra.addresses import JAEGER, KAFKA, REGISTRY, addresses_of
from infra.components.base import Place
from infra.components.consumers import Consumer, ConsumerArgs
from infra.components.jaeger import Jaeger, JaegerArgs
from infra.components.kafka import Kafka, KafkaArgs
from infra.components.keda import Keda
from infra.components.namespace import Namespace
from infra.components.operator import Definitions, Operator, OperatorArgs
from infra.components.postgres import Postgres, PostgresArgs
from infra.components.registry import Registry, RegistryArgs
from infra.components.strimzi import Strimzi, StrimziArgs
from infra.components.valkey import Valkey, ValkeyArgs
from infra.consumers import resources, rights
from infra.settings import Settings

__all__ = ["outputs", "platform"]

Ready = Sequence[pulumi.Resource]


def platform(settings: Settings, explain: pulumi.ErrorHook | None = None) -> None:
    """Make everything; consumers come last, when all they need is there.

    Args:
        settings: of the stack.
        explain: says why a consumer did not become Ready.

    Raises:
        InvalidSettings: a consumer is not valid; nothing was made.
    """
    wanted = resources(settings)
    consumers = {name: consumer for name, (_, consumer) in wanted.items()}
    provider = k8s.Provider(
        "cluster", kubeconfig=settings.cluster.kubeconfig, context=settings.cluster.context
    )
    place = Namespace(settings.namespace, provider).place
    kafka = _kafka(settings, place, consumers)
    ledger = _ledger(settings, place, consumers)
    database = _database(settings, place)
    registry = _registry(settings, place, [*kafka, *database])
    traces = _traces(settings, place)
    keda = Keda("keda", provider, settings.keda.chart).ready if settings.keda.chart else []
    operator = Operator(
        "operator",
        place,
        OperatorArgs(
            settings.operator,
            settings.images.operator,
            settings.images.consumer,
            settings.monitoring,
            Definitions("definitions", provider),
        ),
    )
    after = [*kafka, *ledger, *database, *registry, *traces, *keda, *operator.ready]
    passwords, authority = settings.secrets.passwords, settings.secrets.authority
    for given in settings.consumers:
        args = ConsumerArgs(
            wanted[given.name][0],
            given.ready_seconds,
            passwords[f"kafka-{given.name}"] if settings.kafka_users else None,
            passwords[f"ledger-{given.name}"] if settings.ledger.standalone else None,
            authority if settings.kafka_users else None,
            authority if settings.ledger.standalone and settings.ledger.standalone.secure else None,
            after,
            explain,
        )
        Consumer(given.name, place, args)


def outputs(settings: Settings) -> dict[str, Any]:
    """Addresses for pods, and commands for people; the same before and after."""
    addresses = addresses_of(settings)
    forward = f"kubectl --namespace {settings.namespace} port-forward svc/"
    commands = {"kafka": f"{forward}kafka {KAFKA}"} if settings.kafka.standalone else {}
    if settings.registry and settings.registry.apicurio:
        commands["registry"] = f"{forward}registry {REGISTRY}"
    if settings.traces and settings.traces.jaeger:
        commands["jaeger"] = f"{forward}jaeger {JAEGER}"
    return {
        "bootstrapServers": addresses.bootstrap_servers,
        "ledgerUrl": addresses.ledger_url,
        "registryUrl": addresses.registry_url,
        "otlpEndpoint": addresses.otlp_endpoint,
        "jaegerUrl": addresses.jaeger_url,
        "portForward": commands,
    }


def _kafka(settings: Settings, place: Place, consumers: Mapping[str, IdempotentConsumer]) -> Ready:
    own, secrets = settings.kafka.standalone, settings.secrets
    users = {name: rights(consumer) for name, consumer in consumers.items()} if settings.kafka_users else {}
    passwords = {name: secrets.passwords[f"kafka-{name}"] for name in users}
    certificate = secrets.certificates["kafka"] if settings.kafka_users else None
    if own is not None:
        images = settings.images
        args = KafkaArgs(
            own,
            images.kafka or "",
            images.consumer,
            certificate,
            secrets.authority,
            settings.keda.namespace,
            users,
            passwords,
        )
        return Kafka("kafka", place, args).ready
    if settings.kafka.strimzi is not None and certificate is not None and secrets.authority is not None:
        described = StrimziArgs(settings.kafka.strimzi, certificate, secrets.authority, users, passwords)
        return Strimzi("kafka", place, described).ready
    return []


def _ledger(settings: Settings, place: Place, consumers: Mapping[str, IdempotentConsumer]) -> Ready:
    own = settings.ledger.standalone
    if own is None:
        return []
    secrets = settings.secrets
    args = ValkeyArgs(
        own,
        settings.images.valkey or "",
        secrets.certificates["ledger"] if own.secure else None,
        secrets.authority,
        {name: consumer.spec.kafka.group for name, consumer in consumers.items()},
        secrets.passwords["ledger"],
        {name: secrets.passwords[f"ledger-{name}"] for name in consumers},
    )
    return Valkey("valkey", place, args).ready


def _database(settings: Settings, place: Place) -> Ready:
    if settings.postgres is None:
        return []
    password = settings.secrets.passwords["postgres"]
    return Postgres(
        "postgres", place, PostgresArgs(settings.postgres, settings.images.postgres or "", password)
    ).ready


def _registry(settings: Settings, place: Place, after: Ready) -> Ready:
    if settings.registry is None or settings.registry.apicurio is None:
        return []
    own, bootstrap = settings.registry.apicurio, addresses_of(settings).bootstrap_servers
    login = settings.secrets.passwords["postgres"] if own.storage == "PostgreSql" else None
    args = RegistryArgs(own, settings.images.registry or "", bootstrap, login, after)
    return Registry("registry", place, args).ready


def _traces(settings: Settings, place: Place) -> Ready:
    if settings.traces is None or settings.traces.jaeger is None:
        return []
    return Jaeger("jaeger", place, JaegerArgs(settings.traces.jaeger, settings.images.jaeger or "")).ready
