"""What can keep an event from Kafka, by what the caller does next."""

from typing import Final

from confluent_kafka import KafkaError

from doublegate.contract.errors import DoublegateError

__all__ = ["Backpressure", "EventTooLarge", "InvalidEvent", "NotSent", "Undelivered", "refusal"]

_TOO_LARGE: Final = KafkaError.MSG_SIZE_TOO_LARGE


class InvalidEvent(DoublegateError):
    """The event id can't be one: mend the caller."""


class Backpressure(DoublegateError):
    """The event was not sent, and may be sent later: the brokers or the consumers are slower than the caller.

    Attributes:
        retry_after: seconds after which to try again.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotSent(DoublegateError):
    """Kafka or its client refused one event; it is not on the topic by this attempt.

    Attributes:
        event_id: the event, empty where the client does not say.
        error: Kafka's own.
    """

    def __init__(self, message: str, event_id: str, error: KafkaError) -> None:
        super().__init__(message)
        self.event_id = event_id
        self.error = error


class EventTooLarge(NotSent):
    """The event is larger than the client or the topic takes; sending it again does not help."""


class Undelivered(DoublegateError):
    """Events of which the brokers have not said that they have them.

    Attributes:
        n: how many.
        first_error: the first refusal; None when none was refused and the time was simply over.
    """

    def __init__(self, failed: int, waiting: int, first_error: NotSent | None) -> None:
        self.n = failed + waiting
        self.first_error = first_error
        parts = [f"{failed} failed, the first: {first_error}"] if failed else []
        if waiting:
            parts.append(f"{waiting} not acknowledged in time (they are still in the queue, flush again)")
        super().__init__(f"{self.n} events not delivered: {'; '.join(parts)}")


def refusal(error: KafkaError, topic: str, event_id: str, size: int | None) -> NotSent:
    """The typed error for Kafka's own."""
    if error.code() == _TOO_LARGE:
        what = "the event" if size is None else f"the event of {size} bytes"
        return EventTooLarge(
            f"event {event_id}: {what} is larger than topic {topic} or this client takes ({error.str()}); "
            "raise max.message.bytes of the topic and message.max.bytes of the client, or send a reference",
            event_id,
            error,
        )
    return NotSent(f"event {event_id}: not sent to topic {topic}: {error.str()}", event_id, error)
