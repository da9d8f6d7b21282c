"""The faults: how each is done to a run, and undone."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from doublegate.local.model import Service
from tests.faults.plan import PARTITIONS
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.faults.ledgers import ValkeyPair
    from tests.faults.run import Run

__all__ = ["FAULTS", "Fault"]

GROWN = PARTITIONS + 3
CHURN_SECONDS = 3.0
ADMIN_SECONDS = 20.0
ATTEMPT_SECONDS = 5.0


@dataclass(frozen=True)
class Fault:
    """One kind.

    Attributes:
        begin: does it; told the run and the number of a member.
        end: undoes it, after the fault's time.
        loses: takes acknowledged writes from the ledger.
    """

    begin: Callable[[Run, int], None]
    end: Callable[[Run, int], None] | None = None
    loses: bool = False


def _kill(run: Run, number: int) -> None:
    run.kill(run.member(number))


def _pause(run: Run, number: int) -> None:
    run.pause(run.member(number))


def _resume(run: Run, number: int) -> None:
    run.member(number).signal(signal.SIGCONT)


def _term(run: Run, number: int) -> None:
    run.member(number).signal(signal.SIGTERM)


def _jump(run: Run, number: int) -> None:
    run.member(number).signal(signal.SIGUSR1)


def _rolling(run: Run, _: int) -> None:
    run.aside(run.restart_one_by_one)


def _churn(run: Run, _: int) -> None:
    run.aside(lambda: run.churn(CHURN_SECONDS))


def _pair(run: Run) -> ValkeyPair:
    assert run.world.pair is not None
    return run.world.pair


def _cut(name: str) -> Fault:
    return Fault(lambda run, _: run.world.proxies[name].cut(), lambda run, _: run.world.proxies[name].mend())


def _slow(name: str, milliseconds: int) -> Fault:
    return Fault(
        lambda run, _: run.world.proxies[name].delay(milliseconds, milliseconds // 2),
        lambda run, _: run.world.proxies[name].mend(),
    )


def _stall(name: str) -> Fault:
    return Fault(
        lambda run, _: run.world.proxies[name].stall(), lambda run, _: run.world.proxies[name].mend()
    )


def _mood(mood: str) -> Fault:
    return Fault(lambda run, _: run.world.set_mood(mood), lambda run, _: run.world.set_mood("well"))


def _restart_kafka(run: Run, _: int) -> None:
    run.world.stack.kill(Service.KAFKA)
    run.world.stack.start(Service.KAFKA)


def _grow(run: Run, _: int) -> None:
    with suppress(KafkaException):  # it has grown already
        run.admin.create_partitions([NewPartitions(run.topic, GROWN)])[run.topic].result(ADMIN_SECONDS)


def _delete_dlq(run: Run, _: int) -> None:
    try:
        run.admin.delete_topics([run.dlq])[run.dlq].result(ADMIN_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # else it is gone already
            raise


def _create_dlq(run: Run, _: int) -> None:
    replicas = 3 if run.world.wide else 1
    config = {"max.message.bytes": str(1_048_588 + 65_536)}
    topic = NewTopic(run.dlq, PARTITIONS, replicas, config=config)
    with suppress(KafkaException):  # a consumer that was started meanwhile has made it
        run.admin.create_topics([topic])[run.dlq].result(ADMIN_SECONDS)


def _dlq_needs(replicas: int) -> Callable[[Run, int], None]:
    def configure(run: Run, _: int) -> None:
        entry = ConfigEntry("min.insync.replicas", str(replicas), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, run.dlq, incremental_configs=[entry])

        def told() -> bool:
            # A client that asked a dead broker goes on waiting for it.
            with (
                suppress(KafkaException),
                AdminClient(run.client) as fresh,
            ):  # the topic may be away by a fault
                try:
                    fresh.incremental_alter_configs([resource])[resource].result(ATTEMPT_SECONDS)
                except TimeoutError:
                    return False
            return True

        eventually(told, ADMIN_SECONDS)

    return configure


def _stop_broker(run: Run, number: int) -> None:
    assert run.world.brokers is not None
    run.world.brokers.stop(number % 3 + 1)


def _kill_broker(run: Run, number: int) -> None:
    assert run.world.brokers is not None
    run.world.brokers.kill(number % 3 + 1)


def _start_broker(run: Run, number: int) -> None:
    assert run.world.brokers is not None
    run.world.brokers.start(number % 3 + 1)


def _move_slots(run: Run, _: int) -> None:
    assert run.world.cluster is not None
    for slot in run.ledger_slots()[:6]:
        run.world.cluster.move_slot(slot)


def _join(run: Run, _: int) -> None:
    run.members.add()


FAULTS: Mapping[str, Fault] = {
    "member_kill": Fault(_kill),
    "member_pause": Fault(_pause, _resume),
    "member_term": Fault(_term),
    "member_join": Fault(_join),
    "rolling_restart": Fault(_rolling),
    "churn": Fault(_churn),
    "clock_jump": Fault(_jump, _jump),
    "ledger_restart": Fault(lambda run, _: _pair(run).restart(keep=True), loses=True),
    "ledger_restart_empty": Fault(lambda run, _: _pair(run).restart(keep=False), loses=True),
    "ledger_flush": Fault(lambda run, _: _pair(run).flush(), loses=True),
    "ledger_pause": Fault(lambda run, _: _pair(run).stop(), lambda run, _: _pair(run).resume()),
    "ledger_full": Fault(lambda run, _: _pair(run).fill(), lambda run, _: _pair(run).empty()),
    "ledger_failover": Fault(lambda run, _: _pair(run).fail_over(), loses=True),
    "ledger_cut": _cut("ledger"),
    "ledger_delay": _slow("ledger", 200),
    "ledger_stall": _stall("ledger"),
    "kafka_restart": Fault(_restart_kafka),
    "broker_stop": Fault(_stop_broker, _start_broker),
    "broker_kill": Fault(_kill_broker, _start_broker),
    "slots_move": Fault(_move_slots),
    "partitions_grow": Fault(_grow),
    "dlq_gone": Fault(_delete_dlq, _create_dlq),
    "dlq_readonly": Fault(_dlq_needs(5), _dlq_needs(1)),
    "postgres_cut": _cut("postgres"),
    "postgres_slow": _slow("postgres", 300),
    "postgres_pause": Fault(
        lambda run, _: run.world.stack.pause(Service.POSTGRES),
        lambda run, _: run.world.stack.resume(Service.POSTGRES),
    ),
    "registry_cut": _cut("registry"),
    "registry_slow": _slow("registry", 1000),
    "otlp_cut": _cut("otlp"),
    "otlp_stall": _stall("otlp"),
    "far_lossy": _mood("lossy"),
    "far_slow": _mood("slow"),
    "far_down": _mood("down"),
}


def loses(names: Any) -> bool:
    """Whether one of these faults takes acknowledged writes from the ledger."""
    return any(FAULTS[name].loses for name in names)
