"""Powertools for AWS Lambda: `idempotent_function` with its Redis persistence, event by event."""

import os
import uuid

import redis
from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.persistence.redis import RedisCachePersistenceLayer
from clock import Clock
from confluent_kafka import Consumer, TopicPartition

os.environ.setdefault("AWS_LAMBDA_FUNCTION_NAME", "bench")
PARTITIONS = 6
SILENCE_SECONDS = 20.0

clock = Clock()
effects = 0
layer = RedisCachePersistenceLayer(client=redis.Redis.from_url(clock.job["redis"], decode_responses=True))
config = IdempotencyConfig(expires_after_seconds=3600)


@idempotent_function(data_keyword_argument="event_id", persistence_store=layer, config=config)
def effect(event_id: str) -> str:
    global effects  # noqa: PLW0603
    effects += 1
    return event_id


def main() -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": clock.job["bootstrap"],
            "group.id": f"powertools-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(clock.job["topic"], number, 0) for number in range(PARTITIONS)])
    while True:
        messages = consumer.consume(500, SILENCE_SECONDS)
        if not messages:
            raise SystemExit("no events came")
        for message in messages:
            effect(event_id=dict(message.headers())["correlation_id"].decode())
            if clock.tick():
                clock.answer(effects)
                consumer.close()
                return


main()
