"""flood.py BROKERS [SECONDS]: writes orders as fast as the consumers bear, and says each second how fast."""

import sys
import time
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from doublegate import Producer

TOPIC = "orders"


def main(brokers: str, seconds: float) -> None:
    kafka: dict[str, Any] = {"bootstrap.servers": brokers}
    with AdminClient(kafka) as admin:
        if TOPIC not in admin.list_topics(timeout=10).topics:
            admin.create_topics([NewTopic(TOPIC, 4, 1)])[TOPIC].result()
    with Producer(kafka, flow="follow") as producer:
        start = second = time.monotonic()
        written = 0
        while (now := time.monotonic()) < start + seconds:
            producer.produce(TOPIC, b"a pair of shoes")
            written += 1
            time.sleep(
                0.002
            )  # 500 a second at most: what comes before the first word must be worked off, too
            if now >= second + 1:
                said = producer.flow_state(TOPIC).suggestion
                asked = "nothing" if said is None or said.rate is None else f"{said.rate:.0f}/s"
                behind = "" if said is None else f", {said.group} is {said.lag} behind ({said.drain:.1f} s)"
                print(
                    f"{now - start:4.0f} s  written {written / (now - second):.0f}/s, asked {asked}{behind}",
                    flush=True,
                )
                second, written = now, 0


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 120.0)
