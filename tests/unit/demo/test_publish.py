import json
from dataclasses import asdict

import pytest

from doublegate.contract.headers import CORRELATION_ID, TRACEPARENT
from doublegate.contract.identity import IdProblem, header_id
from doublegate.demo.plan import Body, Copy, Identity, Send, Shares
from doublegate.demo.publish import Order, Publisher, plan_of
from doublegate.telemetry.traceparent import parse_traceparent


class Recorder:
    """Stands for either producer."""

    def __init__(self):
        self.sent = []

    def produce(self, topic, value, **more):
        self.sent.append((topic, value, more))

    def flush(self, _):
        return 0


def encode(value):
    return b"\0\0\0\0\1" + json.dumps(value, default=str).encode()


@pytest.fixture(scope="module")
def flight():
    flights, _ = plan_of(100, 1, Shares())
    return flights[0]


def publish(send, flight):
    whole, raw = Recorder(), Recorder()
    Publisher("flights", whole, raw, encode).send(send, flight)
    return whole.sent, raw.sent


def test_a_whole_event_goes_through_the_library(flight):
    [(topic, value, more)], raw = publish(Send(0), flight)
    assert (topic, value, raw) == ("flights", flight.value, [])
    assert more == {"key": "N14228", "event_id": "2013-01-01-UA-1545-EWR"}


def test_a_copy_is_the_same_and_a_conflict_is_not(flight):
    assert publish(Send(0, Copy.FAR), flight) == publish(Send(0), flight)
    [(_, value, more)], _ = publish(Send(0, Copy.CONFLICT), flight)
    assert more["event_id"] == flight.id
    assert value != flight.value


def test_poison_has_no_frame_and_a_broken_payload_ends_too_early(flight):
    _, [(_, poison, _)] = publish(Send(0, body=Body.POISON), flight)
    _, [(_, broken, _)] = publish(Send(0, body=Body.BROKEN), flight)
    assert poison[0] != 0
    assert encode(flight.value).startswith(broken)
    assert 5 < len(broken) < 10


@pytest.mark.parametrize(
    ("identity", "problem"),
    [
        (Identity.MISSING, IdProblem.MISSING),
        (Identity.EMPTY, IdProblem.EMPTY),
        (Identity.TOO_LONG, IdProblem.TOO_LONG),
        (Identity.NOT_UTF8, IdProblem.NOT_UTF8),
    ],
)
def test_unusable_ids_are_what_they_say(flight, identity, problem):
    _, [(_, _, more)] = publish(Send(0, identity=identity), flight)
    assert header_id(more["headers"], CORRELATION_ID) is problem


def test_an_untraceable_event_keeps_its_id_and_payload(flight):
    _, [(_, value, more)] = publish(Send(0, traceable=False), flight)
    headers = dict(more["headers"])
    assert (value, headers[CORRELATION_ID]) == (encode(flight.value), flight.id.encode())
    assert parse_traceparent(headers[TRACEPARENT]) is None


def test_an_order_survives_its_file(tmp_path):
    order = Order("consumer.yaml", "flight.avsc", "progress.json", "go", 100, 7, asdict(Shares()))
    order.write(tmp_path / "order.json")
    read = Order(**json.loads((tmp_path / "order.json").read_text()))
    assert read == order
    assert Shares(**read.shares) == Shares()
