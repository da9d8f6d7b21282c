"""FastStream on confluent-kafka: a subscriber that asks `SET NX` asynchronously, event by event."""

import asyncio
import logging
import uuid

import redis.asyncio
from clock import Clock
from faststream import FastStream
from faststream.confluent import KafkaBroker, KafkaMessage

TTL_SECONDS = 3600

clock = Clock()
client = redis.asyncio.Redis.from_url(clock.job["redis"])
broker = KafkaBroker(clock.job["bootstrap"], logger=None)
app = FastStream(broker, logger=logging.getLogger("peer"))
effects = 0


@broker.subscriber(
    clock.job["topic"], group_id=f"faststream-{uuid.uuid4().hex}", auto_offset_reset="earliest"
)
async def handle(body: bytes, message: KafkaMessage) -> None:
    global effects  # noqa: PLW0603
    if clock.seen >= clock.job["events"]:
        return
    if await client.set(message.headers["correlation_id"], b"1", nx=True, ex=TTL_SECONDS):
        effects += 1
    if clock.tick():
        clock.answer(effects)
        app.exit()


asyncio.run(app.run())
