from __future__ import annotations

import pytest

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.gate_spec import IdentitySpec
from doublegate.contract.identity import header_id
from doublegate.contract.kafka_spec import Ordering
from doublegate.contract.resource import Mode
from doublegate.contract.sizing import filter_size
from doublegate.contract.states import Gate
from doublegate.gate.filter import PartitionFilter
from doublegate.runtime.intake import Intake
from doublegate.runtime.partition import Finished
from doublegate.runtime.record import Record, Stage
from doublegate.runtime.state import State
from tests.unit.runtime.records import message, partition, state


def intake(of: State, *, mode: Mode = Mode.ENFORCE, ordering: Ordering = Ordering.KEY) -> Intake:
    identity = IdentitySpec.model_validate({})
    return Intake(
        lambda headers: header_id(headers, "correlation_id"),
        lambda problem: problem.describe(identity),
        of,
        ordering,
        mode,
    )


def offsets(records: list[Record]) -> list[int]:
    return [record.offset for record in records]


@pytest.mark.parametrize(
    "given",
    [
        [],
        [("correlation_id", b"")],
        [("correlation_id", None)],
        [("correlation_id", b"x" * 256)],
        [("correlation_id", b"\xff")],
        [("correlation_id", b"a"), ("correlation_id", b"b")],
    ],
)
@pytest.mark.parametrize("mode", Mode)
def test_an_unusable_id_is_poison_under_its_position(
    given: list[tuple[str, bytes | None]], mode: Mode
) -> None:
    part = partition()
    taken = intake(state(), mode=mode).take(part, [message(0, headers=given), message(1, headers=given)])
    assert offsets(taken.records) == [0, 1]
    assert len({record.key for record in taken.records}) == 2
    for record in taken.records:
        assert record.result is not None
        assert record.result.final
        assert record.result.reason is DeadLetterReason.POISON
        assert "event id" in record.result.error
        record.event_id.decode()  # a handler in Observe sees it
    assert taken.duplicates == {}


def test_255_bytes_and_a_repeated_header_are_fine() -> None:
    rows = [message(0, b"x" * 255), message(1, b"a", headers=[("correlation_id", b"a")])]
    taken = intake(state()).take(partition(), rows)
    assert [record.result for record in taken.records] == [None, None]


def test_at_or_below_the_watermark_is_a_proven_duplicate() -> None:
    part = partition()
    part.watermark = 4
    taken = intake(state()).take(part, [message(o, b"e%d" % o) for o in range(8)])
    assert offsets(taken.records) == [5, 6, 7]
    assert taken.duplicates == {Gate.WATERMARK: 5}
    assert part.delivered == 8
    assert part.advance() == 5


def test_what_an_earlier_owner_finished_above_its_commit_is_not_run_again() -> None:
    part = partition(finished=Finished([(1, 3), (5, 6)]))
    taking = intake(state())
    first = taking.take(part, [message(o, b"e%d" % o) for o in range(4)])
    assert offsets(first.records) == [0, 3]
    assert part.finished_before
    second = taking.take(part, [message(o, b"e%d" % o) for o in range(4, 8)])
    assert offsets(second.records) == [4, 6, 7]
    assert first.duplicates == {Gate.COMMIT: 2}
    assert second.duplicates == {Gate.COMMIT: 1}
    assert not part.finished_before


def test_a_finished_tail_of_a_batch_counts_as_delivered() -> None:
    part = partition(finished=Finished([(1, 3)]))
    part.active = True
    taken = intake(state()).take(part, [message(0), message(1), message(2)])
    assert offsets(taken.records) == [0]
    assert part.delivered == 3


def test_what_the_filter_may_have_seen_is_marked_and_goes_on() -> None:
    of, part = state(), partition()
    part.seen = PartitionFilter("scope/topic/0", filter_size(1000, 60, 0.001))
    part.seen.learn(of.local.keyspace.keys([b"old"]))
    taken = intake(of).take(part, [message(0, b"old"), message(1, b"new")])
    assert [record.suspected for record in taken.records] == [True, False]


def test_a_batch_that_is_finished_altogether_still_counts_as_delivered() -> None:
    part = partition()
    part.watermark = 10
    taken = intake(state()).take(part, [message(3, b"a"), message(4, b"b")])
    assert taken.records == []
    assert part.advance() == 5


def test_copies_in_flight_and_in_memory_are_duplicates_and_other_payloads_conflicts() -> None:
    of = state()
    taking, part = intake(of), partition()
    first = taking.take(part, [message(0, b"a", b"1"), message(1, b"a", b"1"), message(2, b"a", b"2")])
    assert offsets(first.records) == [0]
    assert first.duplicates == {Gate.INFLIGHT: 1}
    assert offsets(first.conflicts) == [2]
    assert first.conflicts[0].claimless
    of.admit(first.records)
    of.done(first.records)
    later = taking.take(part, [message(3, b"a", b"1"), message(4, b"a", b"2"), message(5, b"a", None)])
    assert later.records == []
    assert later.duplicates == {Gate.MEMORY: 1}
    assert offsets(later.conflicts) == [4, 5]
    assert part.advance() == 2  # the first conflict's letter is not written yet


def test_without_digests_nothing_conflicts() -> None:
    taken = intake(state(conflicts=False)).take(partition(), [message(0, b"a", b"1"), message(1, b"a", b"2")])
    assert taken.conflicts == []
    assert taken.duplicates == {Gate.INFLIGHT: 1}


def test_a_tombstone_is_an_event_and_not_an_empty_one() -> None:
    taken = intake(state()).take(partition(), [message(0, b"a", None), message(1, b"a", b"")])
    assert offsets(taken.records) == [0]
    assert offsets(taken.conflicts) == [1]


def test_delivered_again_while_a_worker_still_has_it() -> None:
    of = state()
    taking, old = intake(of), partition()
    [running] = taking.take(old, [message(0, b"a")]).records
    of.admit([running])
    running.stage = Stage.RUNNING
    of.revoke(old)
    new = partition()
    taken = taking.take(new, [message(0, b"a"), message(1, b"a"), message(2, b"b")])
    assert [(shadow.offset, other) for shadow, other in taken.shadows] == [(0, running)]
    assert offsets(taken.records) == [2]
    assert taken.duplicates == {Gate.INFLIGHT: 1}
    assert new.advance() == 0  # not before the one that runs has ended


def test_a_second_revocation_does_not_forget_what_still_runs() -> None:
    of = state()
    taking, old = intake(of), partition()
    [running] = taking.take(old, [message(0, b"a")]).records
    of.admit([running])
    running.stage = Stage.RUNNING
    of.revoke(old)
    second = partition()
    [(shadow, _)] = taking.take(second, [message(0, b"a")]).shadows
    of.admit([shadow])
    of.revoke(second)
    third = taking.take(partition(), [message(0, b"a")])
    assert third.records == [], "it would have run beside itself"
    assert len(third.shadows) == 1


def test_observe_lets_everything_pass_in_order_and_asks_only_for_what_is_fresh() -> None:
    part = partition()
    rows = [
        message(0, b"a"),
        message(1, b"b"),
        message(2, b"a"),
        message(3, b"a", b"other"),
        message(4, b"c"),
    ]
    taken = intake(state(), mode=Mode.OBSERVE).take(part, rows)
    assert offsets(taken.records) == [0, 1, 2, 3, 4]
    assert [record.claimless for record in taken.records] == [False, False, True, True, False]
    assert taken.duplicates == {Gate.INFLIGHT: 1}
    assert taken.conflicts == []


def test_lanes_follow_the_ordering() -> None:
    part = partition()
    rows = [message(o, b"e%d" % o, key=b"k%d" % (o % 2)) for o in range(40)]
    by_key = intake(state(64)).take(part, rows).records
    assert len({record.lane for record in by_key}) == 2
    one_lane = intake(state(64), ordering=Ordering.PARTITION).take(partition(), rows).records
    assert len({record.lane for record in one_lane}) == 1
    free = intake(state(64), ordering=Ordering.NONE).take(partition(), rows).records
    assert len({record.lane for record in free}) > 10
    keyless = (
        intake(state(64)).take(partition(), [message(o, b"n%d" % o, key=None) for o in range(40)]).records
    )
    assert len({record.lane for record in keyless}) > 10
