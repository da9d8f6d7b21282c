"""A connection to Kafka for one look: every wait bounded, and its errors sorted by what to do next."""

from __future__ import annotations

import logging
import re
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from doublegate.contract.connections import KafkaConnection
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.facts import Failure, KafkaAuth
from doublegate_operator.core.reasons import Reason

__all__ = ["UNSETTLED", "KafkaClient", "kafka_failure"]

T = TypeVar("T")
Config = dict[str, Any]

_SECONDS = 10.0
"""For all questions of one look together."""
_LEAST = 0.5
"""Seconds for a question when the others have used all."""

_NO_ACCESS = (
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes begin so
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
)
_SILENT = (
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
)
"""Which of them it is, is chance."""
UNSETTLED = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
"""A topic that was made, grown or deleted a moment ago; a group's broker that is another now."""
_WHERE = re.compile(r"^.*?(?:bootstrap|/[0-9]+): ")
_TIMES = re.compile(r"\s*\((?:after|install) .*$")


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """librdkafka's lines at DEBUG: what matters of them is in the status."""

    def log(self, level: int, msg: object, *args: object, **_: Any) -> None:  # noqa: ARG002
        self.logger.debug(msg, *args)


_quiet = _Quiet(logging.getLogger(__name__))


class KafkaClient:
    """An admin client and one that knows the group, which it never joins; blocking, for one thread.

    Args:
        consumer: the resource.
        root: the folder of its Secrets.

    Raises:
        SecretUnavailable: its Secret is not there, or its keys do not fit together.
        KafkaException: librdkafka does not take what the Secret says, such as a broken certificate.
    """

    def __init__(self, consumer: IdempotentConsumer, root: Path) -> None:
        spec = consumer.spec.kafka
        self._connection = KafkaConnection.from_spec(spec, root)
        self._secret = spec.security_ref
        self._said: list[KafkaError] = []
        self._deadline = time.monotonic() + _SECONDS
        config: Config = {
            **self._connection.client_config(),
            "error_cb": self._said.append,
            "socket.connection.setup.timeout.ms": 5000,
        }
        self._group: Config = {**config, "group.id": spec.group, "enable.auto.commit": False}
        self.admin = AdminClient(config, logger=_quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.admin.poll(0)  # what it has logged
        # Closed here, not when it is freed: a future that failed keeps it in a cycle. Python collects those
        # in any thread, and in one of librdkafka's own that ends the process.
        self.admin.__exit__(kind, error, trace)

    @property
    def auth(self) -> KafkaAuth | None:
        """How we speak to the brokers; None without a Secret."""
        if self._secret is None:
            return None
        tls = self._connection.tls
        return KafkaAuth(
            self._connection.protocol,
            self._connection.mechanism,
            ca=tls.ca is not None,
            certificate=tls.certificate is not None,
        )

    @property
    def seconds(self) -> float:
        """Left for the next question."""
        return max(_LEAST, self._deadline - time.monotonic())

    def answer(self, future: Future[T]) -> T:
        """What an admin call comes to."""
        return future.result(self.seconds)

    def consumer(self) -> Consumer:
        """One that reads the group's commits; use it as a context manager."""
        return Consumer(self._group, logger=_quiet)

    def failure(self, error: Exception) -> Failure:
        """What to say of an error: whether the brokers are away or do not let us."""
        self.admin.poll(0)
        return kafka_failure(error, self._said, self._connection.bootstrap_servers, self._secret)


def kafka_failure(error: Exception, said: list[KafkaError], servers: str, secret: str | None) -> Failure:
    """The same, of a client that may not have come to be.

    Args:
        error: of the call; a call that timed out does not say why.
        said: what the client told meanwhile.
        servers: that were asked.
        secret: the Secret that says who we are.
    """
    code = error.args[0] if isinstance(error, KafkaException) and error.args else None
    own = code if isinstance(code, KafkaError) else None
    refusals = [one for one in (own, *said) if one is not None and one.code() in _NO_ACCESS]
    if refusals:
        by = f"Secret {secret}" if secret else "spec.kafka.securityRef, which names no Secret"
        return Failure(
            Reason.KAFKA_REFUSED,
            f"Kafka at {servers} does not let us in: {_text(refusals[0])}. Correct {by}.",
        )
    if own is None or own.code() in _SILENT:
        text = f"Kafka at {servers} does not answer. Is it up, and may the operator reach it?"
        return Failure(Reason.KAFKA_UNAVAILABLE, text)
    if own.code() in UNSETTLED or own.retriable():
        return Failure(Reason.KAFKA_UNAVAILABLE, f"Kafka at {servers} can't answer now: {own.name()}.")
    return Failure(
        Reason.KAFKA_REFUSED,
        f"Kafka at {servers} refuses: {own.name()}: {_text(own)}. Correct the resource, or the rights of "
        f"{'the user in Secret ' + secret if secret else 'everybody, since no Secret is named'}.",
    )


def _text(error: KafkaError) -> str:
    """Without broker, times and repetitions, which would make it another message at each look."""
    return _TIMES.sub("", _WHERE.sub("", error.str())).strip().rstrip(".")
