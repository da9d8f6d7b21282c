"""The commands on real servers: a consumer's life from its first event to its replayed dead letter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
from confluent_kafka import Producer as RawProducer
from typer.testing import CliRunner

from doublegate.cli import app
from doublegate.contract import headers as names
from doublegate.contract.deadletter import DeadLetter, DeadLetterReason
from doublegate.contract.resource import load_consumer
from doublegate.deadletters.scan import TopicUnreadable, scan, topic_bounds
from doublegate.demo.scene import create_topics
from doublegate.local.ports import free_ports
from doublegate.producer import Producer
from doublegate.schemas import Encoder, Registry
from tests.helpers import eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
PAYMENT = '{"type": "record", "name": "Payment", "fields": [{"name": "amount", "type": "int"}]}'
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01".encode()


@pytest.fixture
def consumer(endpoints, tmp_path):
    """The first consumer's file for the session's servers, with topics of its own."""
    name = f"payments-{uuid.uuid4().hex[:8]}"
    text = (EXAMPLES / "first_consumer.yaml").read_text()
    for old, new in {
        "topic: payments, group: payments": f"topic: {name}, group: {name}, partitions: 3, "
        "replicationFactor: 1, minInsyncReplicas: 1",
        "kafka:9092": str(endpoints.bootstrap_servers),
        "redis://valkey:6379/0": str(endpoints.redis_url),
        "http://registry:8080/apis/ccompat/v7": str(endpoints.registry_url),
    }.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "consumer.yaml"
    path.write_text(text)
    create_topics(load_consumer(path))
    return path


@pytest.fixture
def config(endpoints):
    return {"bootstrap.servers": endpoints.bootstrap_servers}


def invoke(consumer, *arguments):
    result = CliRunner().invoke(app, [*map(str, arguments), "--consumer", str(consumer)])
    assert "Traceback" not in result.output
    return result


def told(consumer, *arguments):
    result = invoke(consumer, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def write_letters(consumer, config, *letters):
    """Write (id, reason, value) as dead letters, one partition, in order."""
    spec = load_consumer(consumer).spec
    producer = RawProducer(config)
    for offset, (event_id, reason, value) in enumerate(letters):
        letter = DeadLetter(
            reason=reason,
            error="boom\nat line 1",
            attempt=3,
            topic=spec.kafka.topic,
            partition=0,
            offset=offset,
            timestamp_ms=1,
            group=spec.kafka.group,
            failed_at=datetime(2026, 5, 1, 12, offset, tzinfo=UTC),
        )
        headers = letter.to_headers(
            [
                (names.CORRELATION_ID, event_id.encode()),
                (names.TRACEPARENT, TRACEPARENT),
                ("raw", b"\xff\x00"),
            ]
        )
        producer.produce(spec.dlq_topic, value=value, key=b"same", headers=headers)
    assert producer.flush(30) == 0


def sent(consumer, config):
    spec = load_consumer(consumer).spec
    return list(scan(config, spec.replay_topic))


FAILED, POISON = DeadLetterReason.FAILED, DeadLetterReason.POISON
UNKNOWN, CONFLICT = DeadLetterReason.UNKNOWN_OUTCOME, DeadLetterReason.CONFLICT


def test_list_filters_and_counts(consumer, config):
    write_letters(consumer, config, ("a", FAILED, b"1"), ("b", POISON, b"2"), ("a", CONFLICT, b"3"))
    everything = told(consumer, "dlq", "list")
    assert everything["by_reason"] == {"failed": 1, "poison": 1, "conflict": 1}
    assert everything["letters"][0]["trace_id"] == TRACE_ID
    assert told(consumer, "dlq", "list", "--reason", "poison", "--reason", "conflict")["matched"] == 2
    assert told(consumer, "dlq", "list", "--id", "a")["matched"] == 2
    assert told(consumer, "dlq", "list", "--failed-after", "2026-05-01T12:01:00Z")["matched"] == 2
    assert told(consumer, "dlq", "list", "--failed-before", "2026-05-01T12:01:00")["matched"] == 1
    limited = told(consumer, "dlq", "list", "--limit", "1")
    assert (limited["matched"], len(limited["letters"])) == (3, 1)
    assert "3 letters (conflict 1, failed 1, poison 1), 3 shown" in invoke(consumer, "dlq", "list").output


def test_show_finds_a_letter_by_its_place_or_its_event(consumer, config):
    write_letters(consumer, config, ("a", FAILED, b"\x00payload"), ("b", POISON, None))
    position = told(consumer, "dlq", "list", "--id", "a")["letters"][0]["position"]
    for which in (position, "a"):
        output = invoke(consumer, "dlq", "show", which).output
        assert "8 bytes: b'\\x00payload'" in output
        assert "raw: \\xff" in output
        assert "boom" in output
    assert "payload    null" in invoke(consumer, "dlq", "show", "b").output
    missing = invoke(consumer, "dlq", "show", "99:99")
    assert (missing.exit_code, "no letter at position 99:99" in missing.stderr) == (2, True)


def test_a_dry_run_sends_nothing_and_keeps_no_progress(consumer, config):
    write_letters(consumer, config, ("a", FAILED, b"1"))
    report = told(consumer, "dlq", "replay", "--dry-run", "--replay-id", "r")
    assert (report["matched"], report["replayed"]) == (1, 1)
    assert sent(consumer, config) == []
    assert told(consumer, "dlq", "replay", "--replay-id", "r")["replayed"] == 1


def test_a_replay_keeps_key_payload_headers_and_order(consumer, config):
    letters = [(f"e-{n}", FAILED, b"%d" % n) for n in range(20)]
    write_letters(consumer, config, *letters)
    assert told(consumer, "dlq", "replay", "--replay-id", "r")["replayed"] == 20
    messages = sent(consumer, config)
    assert [m.value() for m in messages] == [value for _, _, value in letters]
    assert {m.key() for m in messages} == {b"same"}
    assert messages[0].headers() == [
        (names.CORRELATION_ID, b"e-0"),
        (names.TRACEPARENT, TRACEPARENT),
        ("raw", b"\xff\x00"),
        (names.DLQ_ATTEMPT, b"3"),
        (names.DLQ_TOPIC, load_consumer(consumer).spec.kafka.topic.encode()),
        (names.DLQ_PARTITION, b"0"),
        (names.DLQ_OFFSET, b"0"),
        (names.REPLAY_ID, b"r"),
    ]


def test_a_replay_stops_at_its_cap_and_goes_on_where_it_was(consumer, config):
    write_letters(consumer, config, *[(f"e-{n}", FAILED, b"x") for n in range(5)])
    first = told(consumer, "dlq", "replay", "--replay-id", "r", "--max-events", "2")
    assert (first["replayed"], first["complete"]) == (2, False)
    rest = told(consumer, "dlq", "replay", "--replay-id", "r")
    assert (rest["replayed"], rest["complete"]) == (3, True)
    assert told(consumer, "dlq", "replay", "--replay-id", "r")["replayed"] == 0
    ids = [dict(m.headers())[names.CORRELATION_ID] for m in sent(consumer, config)]
    assert ids == [b"e-%d" % n for n in range(5)]


def test_a_rate_is_kept(consumer, config):
    write_letters(consumer, config, *[(f"e-{n}", FAILED, b"x") for n in range(6)])
    began = datetime.now(UTC)
    assert told(consumer, "dlq", "replay", "--rate", "3")["replayed"] == 6
    assert 1.0 <= (datetime.now(UTC) - began).total_seconds() < 20


def test_what_may_hurt_needs_to_be_accepted(consumer, config):
    write_letters(consumer, config, ("a", UNKNOWN, b"1"), ("b", CONFLICT, b"2"))
    report = told(consumer, "dlq", "replay")
    assert (report["matched"], report["replayed"], sum(report["skipped"].values())) == (2, 0, 2)
    assert told(consumer, "dlq", "replay", "--accept-unknown", "--accept-conflicts")["replayed"] == 2
    ids = [dict(m.headers())[names.CORRELATION_ID] for m in sent(consumer, config)]
    assert ids[0] == b"a"
    assert ids[1].startswith(b"b~")


def test_a_missing_topic_is_named(consumer, config):
    consumer.write_text(consumer.read_text().replace("group: payments", "group: other"))
    result = invoke(consumer, "dlq", "list")
    assert result.exit_code == 2
    assert "error: topic other-" in result.stderr
    with pytest.raises(TopicUnreadable, match="no-such-topic"):
        topic_bounds(config, "no-such-topic")


def test_scan_reads_what_is_there_and_ends(consumer, config):
    topic = load_consumer(consumer).spec.kafka.topic
    assert list(scan(config, topic)) == []
    producer = RawProducer(config)
    for number in range(2500):
        producer.produce(topic, value=b"%d" % number, partition=number % 2)
        producer.poll(0)
    assert producer.flush(30) == 0
    assert len(list(scan(config, topic))) == 2500
    assert len(list(scan(config, topic, newest=10))) == 20
    assert len(list(scan(config, topic, start={0: 1250, 1: 1249}))) == 1


@pytest.fixture
def running(consumer):
    """`doublegate run` of the first handler; yields the process and its address."""
    [port] = free_ports(1)
    arguments = ["run", str(consumer), "--http-host", "127.0.0.1", "--http-port", str(port)]
    child = subprocess.Popen([sys.executable, "-m", "doublegate.cli", *arguments, "--app-dir", str(EXAMPLES)])
    yield child, f"http://127.0.0.1:{port}"
    child.kill()
    child.wait(20)


def test_the_first_handler_runs_and_its_events_can_be_followed(consumer, config, endpoints, running):
    child, address = running
    spec = load_consumer(consumer).spec
    encoder = Encoder(Registry(str(endpoints.registry_url)), f"{spec.kafka.topic}-value", PAYMENT)
    with Producer(config, encoder=encoder) as producer:
        for event_id, amount in (("good", 5), ("good", 5), ("bad", -5)):
            producer.produce(spec.kafka.topic, {"amount": amount}, event_id=event_id)

    def status():
        assert child.poll() is None
        try:
            with urlopen(f"{address}/status", timeout=5) as answer:  # noqa: S310 - our own process
                return json.load(answer)
        except OSError:
            return {}

    eventually(lambda: status().get("deadLetters") == {"failed": 1} and status()["lag"] == 0, 60)
    good = told(consumer, "inspect", "good", "--jaeger-url", "http://jaeger:16686")
    assert good["ledger"]["state"] == "done"
    assert len(good["records"]) == 2
    assert good["trace_url"] == f"http://jaeger:16686/api/traces/{good['trace_id']}"
    bad = told(consumer, "inspect", "bad")
    assert bad["ledger"]["state"] == "failed"
    assert bad["dead_letters"][0]["reason"] == "failed"
    assert "an amount of -5" in bad["dead_letters"][0]["error"]
    assert "no entry" in invoke(consumer, "inspect", "stranger").output

    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(60) == 0
