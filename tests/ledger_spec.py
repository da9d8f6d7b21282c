"""What every ledger must do, row by row of the design's table; each backend inherits the class.

A backend gives a fixture `ledger`, and says how to end a session early and how its data gets lost.
"""

from __future__ import annotations

import secrets
from itertools import pairwise
from typing import TYPE_CHECKING

from doublegate.contract.states import EntryState
from doublegate.gate.keys import NO_DIGEST
from doublegate.gate.ledger_types import (
    LINE_EVENTS,
    Assignment,
    ClaimOutcome,
    Claims,
    CompletionOutcome,
    Completions,
    Entry,
    Exchange,
    ExchangeResult,
    FailureOutcome,
    Failures,
    History,
    LedgerSettings,
    Position,
    Releases,
    SessionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from doublegate.gate.ledger_protocol import LedgerApi

SETTINGS = LedgerSettings(session=30, claim_ttl=5000, done_ttl=1000, failed_ttl=4000, crashes=2)
TOPIC = bytes(range(16))
REPLAYS = bytes(range(16, 32))
PAYLOAD, OTHER_PAYLOAD = b"payload1", b"payload2"


def new_key() -> bytes:
    return secrets.token_bytes(16)


class Owner:
    """One consumer process that holds partition 0 of the source and of the replay topic."""

    def __init__(self, ledger: LedgerApi, *, take: bool = True) -> None:
        self.ledger = ledger
        self.id = secrets.token_bytes(8)
        ledger.register(self.id)
        self.held: list[Assignment] = []
        if take:
            self.take()

    def take(self) -> None:
        epochs = self.ledger.take_epochs([(TOPIC, 0), (REPLAYS, 0)])
        self.held = [Assignment(TOPIC, 0, epochs[0]), Assignment(REPLAYS, 0, epochs[1])]

    def exchange(self, **parts: object) -> ExchangeResult:
        return self.ledger.exchange(Exchange(self.id, self.held, **parts))

    def claim_all(
        self, keys: Sequence[bytes], offsets: Sequence[int], digest: bytes = PAYLOAD, *, replay: bool = False
    ) -> ExchangeResult:
        many = len(keys)
        claims = Claims(
            keys, [digest] * many, [int(replay)] * many, offsets, [replay] * many if replay else None
        )
        return self.exchange(claims=claims)

    def claim(
        self, key: bytes, offset: int = 0, digest: bytes = PAYLOAD, *, replay: bool = False
    ) -> tuple[ClaimOutcome, History | None]:
        result = self.claim_all([key], [offset], digest, replay=replay)
        return ClaimOutcome(result.claims[0]), result.histories.get(0)

    def complete(self, key: bytes, digest: bytes = PAYLOAD) -> CompletionOutcome:
        result = self.exchange(completions=Completions([key], [digest]))
        return result.completions.get(0, CompletionOutcome.OWN)

    def fail(
        self, key: bytes, attempts: int = 1, *, unknown: bool = False, replay: bool = False
    ) -> FailureOutcome:
        result = self.exchange(failures=Failures([key], [int(replay)], [attempts], [unknown]))
        return result.failures.get(0, FailureOutcome.OK)

    def release(self, key: bytes, *, unknown: bool = False, replay: bool = False) -> FailureOutcome:
        result = self.exchange(releases=Releases([key], [int(replay)], [unknown]))
        return result.releases.get(0, FailureOutcome.OK)


class LedgerSpec:
    """The behaviour; `end_session` and `lose_data` are the backend's."""

    def end_session(self, ledger: LedgerApi, owner: bytes) -> None:
        raise NotImplementedError

    def lose_data(self, ledger: LedgerApi) -> None:
        raise NotImplementedError

    def crash(self, owner: Owner) -> Owner:
        """The owner dies; another takes its partitions."""
        self.end_session(owner.ledger, owner.id)
        return Owner(owner.ledger)

    # --- claims

    def test_nothing_there_is_claimed(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        assert owner.claim(key, 7) == (ClaimOutcome.NEW, None)
        assert ledger.inspect(key) == Entry(
            EntryState.CLAIMED,
            PAYLOAD,
            owner=owner.id,
            epoch=owner.held[0].epoch,
            position=Position(TOPIC[:8], 0, 7),
        )

    def test_a_lost_reply_is_gone_on_with(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        assert owner.claim(key, 7) == (ClaimOutcome.RESUMED, History(0, 0, unknown=False))

    def test_a_resumed_claim_moves_to_the_new_epoch(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        before = list(owner.held)
        owner.take()
        assert owner.claim(key, 7)[0] is ClaimOutcome.RESUMED
        owner.held, now = before, owner.held
        assert owner.fail(key) is FailureOutcome.FENCED
        owner.held = now
        assert owner.fail(key) is FailureOutcome.OK

    def test_another_live_owner_at_the_same_record_parks(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = Owner(ledger)
        assert second.claim(key, 7)[0] is ClaimOutcome.PARK
        assert ledger.inspect(key).owner == first.id
        first.complete(key)
        assert second.claim(key, 7)[0] is ClaimOutcome.DUPLICATE

    def test_another_record_of_an_event_in_flight_is_a_duplicate(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        assert first.claim(key, 8)[0] is ClaimOutcome.DUPLICATE_IN_FLIGHT
        assert Owner(ledger).claim(key, 9)[0] is ClaimOutcome.DUPLICATE_IN_FLIGHT
        assert ledger.inspect(key).position.offset == 7

    def test_two_records_of_one_event_in_a_batch(self, ledger: LedgerApi) -> None:
        key = new_key()
        result = Owner(ledger).claim_all([key, key], [1, 2])
        assert list(result.claims) == [ClaimOutcome.NEW, ClaimOutcome.DUPLICATE_IN_FLIGHT]

    def test_a_replay_waits_for_the_event_in_flight(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        assert owner.claim(key, 0, replay=True)[0] is ClaimOutcome.PARK
        owner.fail(key)
        assert owner.claim(key, 0, replay=True)[0] is ClaimOutcome.REPLAY

    def test_a_dead_owners_claim_is_taken_over_as_unknown(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = self.crash(first)
        assert second.claim(key, 7) == (ClaimOutcome.TAKEN_OVER, History(1, 1, unknown=True))
        entry = ledger.inspect(key)
        assert (entry.owner, entry.crashes, entry.unknown) == (second.id, 1, True)
        assert second.claim(key, 7) == (ClaimOutcome.RESUMED, History(1, 1, unknown=True))

    def test_another_record_takes_a_dead_owners_claim_over(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = self.crash(first)
        assert second.claim(key, 9)[0] is ClaimOutcome.TAKEN_OVER
        assert second.claim(key, 7)[0] is ClaimOutcome.DUPLICATE_IN_FLIGHT

    def test_too_many_crashes_exhaust_the_event(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        for crashes in (1, 2):
            owner = self.crash(owner)
            assert owner.claim(key, 7) == (ClaimOutcome.TAKEN_OVER, History(crashes, crashes, unknown=True))
        owner = self.crash(owner)
        assert owner.claim(key, 7) == (ClaimOutcome.EXHAUSTED, History(3, 3, unknown=True))
        assert owner.claim(key, 7)[0] is ClaimOutcome.EXHAUSTED, "a lost reply must not revive it"
        assert owner.fail(key, 3, unknown=True) is FailureOutcome.OK

    def test_a_replay_of_an_exhausted_event_runs(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        for _ in range(3):
            owner = self.crash(owner)
            owner.claim(key, 7)
        owner.fail(key, 3, unknown=True)
        assert owner.claim(key, 0, replay=True) == (ClaimOutcome.REPLAY, History(3, 3, unknown=True))
        assert owner.claim(key, 0, replay=True)[0] is ClaimOutcome.RESUMED
        owner = self.crash(owner)
        assert owner.claim(key, 0, replay=True) == (ClaimOutcome.EXHAUSTED, History(4, 4, unknown=True))

    def test_done_is_a_duplicate(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        assert owner.complete(key) is CompletionOutcome.OWN
        for replay in (False, True):
            assert owner.claim(key, 8, replay=replay)[0] is ClaimOutcome.DUPLICATE
        assert ledger.inspect(key) == Entry(EntryState.DONE, PAYLOAD)

    def test_another_payload_is_a_conflict_whatever_stands(self, ledger: LedgerApi) -> None:
        owner, done, claimed, failed = Owner(ledger), new_key(), new_key(), new_key()
        owner.claim_all([done, claimed, failed], [1, 2, 3])
        owner.complete(done)
        owner.fail(failed)
        for key in (done, claimed, failed):
            before = ledger.inspect(key)
            assert owner.claim(key, 9, OTHER_PAYLOAD)[0] is ClaimOutcome.CONFLICT
            assert owner.claim(key, 9, OTHER_PAYLOAD, replay=True)[0] is ClaimOutcome.CONFLICT
            assert ledger.inspect(key) == before

    def test_a_conflict_with_a_dead_owners_claim_leaves_it_to_its_own_record(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = self.crash(first)
        assert second.claim(key, 9, OTHER_PAYLOAD)[0] is ClaimOutcome.CONFLICT
        assert second.claim(key, 7)[0] is ClaimOutcome.TAKEN_OVER

    def test_no_digest_never_conflicts(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7, NO_DIGEST)
        assert owner.claim(key, 8, PAYLOAD)[0] is ClaimOutcome.DUPLICATE_IN_FLIGHT
        owner.complete(key, NO_DIGEST)
        assert owner.claim(key, 8, PAYLOAD)[0] is ClaimOutcome.DUPLICATE

    # --- snapshots

    def test_a_snapshot_waits_for_the_next_owner_of_its_partition(self, ledger: LedgerApi) -> None:
        ledger.keep_snapshot((TOPIC, 3), b"\0bits", 60.0)
        assert ledger.read_snapshot((TOPIC, 3)) == b"\0bits"
        assert ledger.read_snapshot((TOPIC, 4)) is None

    # --- failures and replays

    def test_failed_is_no_duplicate_of_done(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        assert owner.fail(key, 5) is FailureOutcome.OK
        assert owner.claim(key, 7)[0] is ClaimOutcome.DUPLICATE_OF_DEAD_LETTER
        assert owner.claim(key, 8)[0] is ClaimOutcome.DUPLICATE_OF_DEAD_LETTER
        assert ledger.inspect(key) == Entry(
            EntryState.FAILED, PAYLOAD, position=Position(TOPIC[:8], 0, 7), attempt=5
        )

    def test_a_replay_is_claimed_with_its_history(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        owner.fail(key, 5, unknown=True)
        assert owner.claim(key, 0, replay=True) == (ClaimOutcome.REPLAY, History(5, 0, unknown=True))
        assert owner.complete(key) is CompletionOutcome.OWN
        assert owner.claim(key, 1, replay=True)[0] is ClaimOutcome.DUPLICATE

    def test_a_replay_that_failed_is_not_run_again_when_read_again(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        owner.fail(key)
        owner.claim(key, 0, replay=True)
        assert owner.fail(key, 2, replay=True) is FailureOutcome.OK
        second = self.crash(owner)
        assert second.claim(key, 0, replay=True)[0] is ClaimOutcome.DUPLICATE_OF_DEAD_LETTER
        assert second.claim(key, 1, replay=True)[0] is ClaimOutcome.REPLAY

    def test_a_repeated_failure_is_harmless(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        owner.fail(key)
        assert owner.fail(key) is FailureOutcome.ALREADY
        assert owner.fail(new_key()) is FailureOutcome.MISSING
        owner.complete(key)
        assert owner.fail(key) is FailureOutcome.DONE

    # --- fencing

    def test_a_stale_epoch_claims_nothing(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        Owner(ledger)
        result = owner.claim_all([key], [7])
        assert list(result.claims) == [ClaimOutcome.FENCED]
        assert (result.fenced, result.lost) == ({0}, False)
        assert ledger.inspect(key) is None

    def test_only_the_fenced_partitions_rows_are_refused(self, ledger: LedgerApi) -> None:
        owner, fenced, free = Owner(ledger), new_key(), new_key()
        ledger.take_epochs([(TOPIC, 0)])
        result = owner.exchange(claims=Claims([fenced, free], [PAYLOAD] * 2, [0, 1], [1, 2]))
        assert list(result.claims) == [ClaimOutcome.FENCED, ClaimOutcome.NEW]
        assert result.fenced == {0}

    def test_what_was_taken_over_can_be_neither_failed_nor_released(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = self.crash(first)
        second.claim(key, 7)
        before = ledger.inspect(key)
        assert first.fail(key) is FailureOutcome.FENCED
        assert first.release(key) is FailureOutcome.FENCED
        assert ledger.inspect(key) == before

    def test_a_claim_can_be_ended_after_its_partition_is_gone(self, ledger: LedgerApi) -> None:
        first, failed, released = Owner(ledger), new_key(), new_key()
        first.claim_all([failed, released], [7, 8])
        second = Owner(ledger)
        assert second.claim(failed, 7)[0] is ClaimOutcome.PARK
        assert first.fail(failed) is FailureOutcome.OK
        assert first.release(released) is FailureOutcome.OK
        assert second.claim(failed, 7)[0] is ClaimOutcome.DUPLICATE_OF_DEAD_LETTER
        assert second.claim(released, 8)[0] is ClaimOutcome.NEW

    def test_epochs_only_rise(self, ledger: LedgerApi) -> None:
        taken = [ledger.take_epochs([(TOPIC, 0), (TOPIC, 1)]) for _ in range(5)]
        for before, after in pairwise(taken):
            assert all(one < other for one, other in zip(before, after, strict=True))

    # --- DONE

    def test_done_is_accepted_from_a_stale_owner(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = self.crash(first)
        second.claim(key, 7)
        assert first.complete(key) is CompletionOutcome.LATE
        assert second.claim(key, 7)[0] is ClaimOutcome.DUPLICATE
        assert second.complete(key) is CompletionOutcome.ALREADY

    def test_done_ends_a_failure(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        owner.fail(key)
        assert owner.complete(key) is CompletionOutcome.AFTER_FAILED
        assert owner.claim(key, 0, replay=True)[0] is ClaimOutcome.DUPLICATE

    def test_done_with_another_payload_does_not_replace_the_first(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        owner.complete(key)
        assert owner.complete(key, OTHER_PAYLOAD) is CompletionOutcome.CONFLICT
        assert ledger.inspect(key).digest == PAYLOAD

    def test_done_without_an_entry_is_kept(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        assert owner.complete(key) is CompletionOutcome.MISSING
        assert owner.claim(key, 7)[0] is ClaimOutcome.DUPLICATE

    # --- releases

    def test_a_release_before_the_start_leaves_nothing(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        assert owner.release(key) is FailureOutcome.OK
        assert ledger.inspect(key) is None
        assert owner.release(key) is FailureOutcome.ALREADY

    def test_a_released_replay_is_failed_as_before(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 7)
        owner.fail(key, 5, unknown=True)
        before = ledger.inspect(key)
        owner.claim(key, 0, replay=True)
        assert owner.release(key, replay=True) is FailureOutcome.OK
        assert ledger.inspect(key) == before
        assert owner.claim(key, 0, replay=True)[0] is ClaimOutcome.REPLAY

    def test_a_released_takeover_stays_unknown(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = self.crash(first)
        second.claim(key, 7)
        assert second.release(key) is FailureOutcome.OK
        assert ledger.inspect(key).owner is None
        assert second.claim(key, 7) == (ClaimOutcome.TAKEN_OVER, History(1, 1, unknown=True))

    def test_an_unknown_attempt_is_given_back_as_unknown(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = Owner(ledger)
        assert second.claim(key, 7)[0] is ClaimOutcome.PARK
        assert first.release(key, unknown=True) is FailureOutcome.OK
        assert second.claim(key, 7) == (ClaimOutcome.TAKEN_OVER, History(1, 0, unknown=True))

    def test_done_and_failed_are_not_released(self, ledger: LedgerApi) -> None:
        owner, done, failed = Owner(ledger), new_key(), new_key()
        owner.claim_all([done, failed], [1, 2])
        owner.complete(done)
        owner.fail(failed)
        assert owner.release(done) is FailureOutcome.DONE
        assert owner.release(failed) is FailureOutcome.ALREADY
        assert ledger.inspect(done).state is EntryState.DONE
        assert ledger.inspect(failed).state is EntryState.FAILED

    # --- sessions and losses

    def test_a_session_that_is_over_claims_nothing_and_is_not_revived(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        self.end_session(ledger, owner.id)
        result = owner.claim_all([key], [7])
        assert list(result.claims) == [ClaimOutcome.SESSION_OVER]
        assert (result.session, result.lost) == (SessionStatus.EXPIRED, False)
        assert ledger.renew(owner.id) is SessionStatus.EXPIRED
        ledger.register(owner.id)
        assert ledger.renew(owner.id) is SessionStatus.ALIVE
        assert owner.claim(key, 7)[0] is ClaimOutcome.NEW

    def test_a_retired_owners_claims_are_free_at_once(self, ledger: LedgerApi) -> None:
        first, key = Owner(ledger), new_key()
        first.claim(key, 7)
        second = Owner(ledger)
        ledger.retire(first.id)
        assert second.claim(key, 7)[0] is ClaimOutcome.TAKEN_OVER
        assert ledger.renew(first.id) is SessionStatus.EXPIRED

    def test_lost_data_is_noticed(self, ledger: LedgerApi) -> None:
        owner = Owner(ledger)
        self.lose_data(ledger)
        result = owner.claim_all([new_key()], [7])
        assert (result.session, result.lost) == (SessionStatus.LOST, True)
        Owner(ledger, take=False)
        assert ledger.renew(owner.id) is SessionStatus.LOST, "somebody else's session is no proof"
        ledger.register(owner.id)
        result = owner.claim_all([new_key()], [7])
        assert (result.session, result.lost) == (SessionStatus.ALIVE, True)
        assert list(result.claims) == [ClaimOutcome.FENCED]

    def test_lost_data_is_put_back(self, ledger: LedgerApi) -> None:
        owner, held, unknown, done = Owner(ledger), new_key(), new_key(), new_key()
        owner.claim_all([held, unknown, done], [1, 2, 3])
        before = ledger.inspect(held)
        self.lose_data(ledger)
        rows = Claims([held, unknown], [PAYLOAD] * 2, [0, 0], [1, 2])
        result = ledger.reassert(owner.id, owner.held, rows, Completions([done], [PAYLOAD]), [False, True])
        assert (result.refused, result.fenced) == ((), frozenset())
        assert ledger.inspect(held) == before
        assert ledger.inspect(unknown).unknown
        assert owner.claim(done, 9)[0] is ClaimOutcome.DUPLICATE
        assert Owner(ledger).claim(held, 1)[0] is ClaimOutcome.PARK
        assert owner.complete(held) is CompletionOutcome.OWN

    def test_what_others_did_after_the_loss_stands(self, ledger: LedgerApi) -> None:
        owner, claimed, done = Owner(ledger), new_key(), new_key()
        owner.claim_all([claimed, done], [1, 2])
        self.lose_data(ledger)
        other = Owner(ledger)
        other.claim_all([claimed, done], [1, 2])
        other.complete(done)
        rows = Claims([claimed, done], [PAYLOAD] * 2, [0, 0], [1, 2])
        result = ledger.reassert(owner.id, owner.held, rows, Completions())
        assert (result.refused, result.fenced) == ((0, 1), {0, 1})
        assert ledger.inspect(claimed).owner == other.id

    def test_a_claim_that_came_back_with_older_data_gets_todays_epoch(self, ledger: LedgerApi) -> None:
        owner, key = Owner(ledger), new_key()
        owner.claim(key, 1)
        owner.take()
        ledger.reassert(owner.id, owner.held, Claims([key], [PAYLOAD], [0], [1]), Completions())
        assert owner.fail(key) is FailureOutcome.OK

    def test_a_claim_that_was_given_up_before_the_loss_gives_way(self, ledger: LedgerApi) -> None:
        former, key, other = Owner(ledger), new_key(), new_key()
        former.claim_all([key, other], [1, 2])  # and released both: the data lacks it
        owner = Owner(ledger)
        rows = Claims([key, other], [PAYLOAD] * 2, [0, 0], [1, 3])
        result = ledger.reassert(owner.id, owner.held, rows, Completions())
        assert result.refused == (1,), "on another record it may be under way"
        assert ledger.inspect(key).owner == owner.id

    # --- watermarks and grants

    def test_watermarks_only_rise_and_need_no_session(self, ledger: LedgerApi) -> None:
        owner = Owner(ledger)
        topics = [(TOPIC, 0), (REPLAYS, 0), (TOPIC, 5)]
        assert ledger.read_watermarks(topics) == [None, None, None]
        owner.exchange(watermarks=[(0, 10), (1, 0)])
        self.end_session(ledger, owner.id)
        owner.exchange(watermarks=[(0, 9), (1, 3)])
        assert ledger.read_watermarks(topics) == [10, 3, None]
        assert ledger.read_grants(topics) == [None, None, None]

    def test_grants_are_fenced(self, ledger: LedgerApi) -> None:
        owner = Owner(ledger)
        assert owner.exchange(grants=[(0, 100)]).fenced == frozenset()
        ledger.take_epochs([(TOPIC, 0)])
        assert owner.exchange(grants=[(0, 200), (1, 50)]).fenced == {0}
        assert ledger.read_grants([(TOPIC, 0), (REPLAYS, 0)]) == [100, 50]

    def test_a_grant_goes_back_when_its_partition_is_handed_over(self, ledger: LedgerApi) -> None:
        owner = Owner(ledger)
        owner.exchange(grants=[(0, 100)])
        owner.exchange(grants=[(0, 40)])
        assert ledger.read_grants([(TOPIC, 0)]) == [40]

    def test_a_claim_under_a_former_owners_grant_bears_the_mark(self, ledger: LedgerApi) -> None:
        owner, doubtful, plain, done = Owner(ledger), new_key(), new_key(), new_key()
        owner.complete(done)
        keys, offsets = [doubtful, plain, done], [1, 2, 3]
        claims = Claims(keys, [PAYLOAD] * 3, [0] * 3, offsets, unknown=[True, False, True])
        result = owner.exchange(claims=claims)
        assert list(result.claims) == [ClaimOutcome.NEW, ClaimOutcome.NEW, ClaimOutcome.DUPLICATE]
        entry = ledger.inspect(doubtful)
        assert (entry.unknown, entry.attempt, entry.crashes) == (True, 1, 1)
        assert not ledger.inspect(plain).unknown
        second = self.crash(owner)
        assert second.claim(doubtful, 1) == (ClaimOutcome.TAKEN_OVER, History(2, 2, unknown=True))
        assert second.release(doubtful) is FailureOutcome.OK
        assert ledger.inspect(doubtful).unknown

    # --- lines of parked events

    def test_a_line_keeps_the_order_of_parking(self, ledger: LedgerApi) -> None:
        owner, line, other = Owner(ledger), new_key(), new_key()
        events = [new_key() for _ in range(5)]
        assert owner.exchange(lines=[line, other]).lines == {}
        for event in (*events, events[0], events[3]):
            ledger.park([(line, event)])
        ledger.park([(other, events[2])])
        for place, event in enumerate(events):
            found = owner.exchange(lines=[line, other, line]).lines
            assert found == {line: tuple(events[place:]), other: (events[2],)}
            ledger.unpark([(line, event), (line, event)])
        assert owner.exchange(lines=[line, other]).lines == {other: (events[2],)}

    def test_a_long_line_is_told_in_part(self, ledger: LedgerApi) -> None:
        owner, line = Owner(ledger), new_key()
        events = [new_key() for _ in range(LINE_EVENTS + 2)]
        for event in events:
            ledger.park([(line, event)])
        assert owner.exchange(lines=[line]).lines == {line: (*events[:LINE_EVENTS], b"")}
        ledger.unpark([(line, event) for event in events[:1]])
        ledger.unpark([(line, events[-1])])
        assert owner.exchange(lines=[line]).lines == {line: tuple(events[1:-1])}

    # --- batches

    def test_one_round_trip_completes_one_batch_and_claims_the_next(self, ledger: LedgerApi) -> None:
        owner = Owner(ledger)
        first, second = [new_key() for _ in range(300)], [new_key() for _ in range(300)]
        assert owner.claim_all(first, range(300)).all_new
        before = ledger.round_trips
        result = owner.exchange(
            completions=Completions(first, [PAYLOAD] * 300),
            claims=Claims([*second, *first[:5]], [PAYLOAD] * 305, [0] * 305, range(300, 605)),
            watermarks=[(0, 299)],
        )
        assert ledger.round_trips - before <= self.round_trips_per_batch
        assert list(result.claims) == [ClaimOutcome.NEW] * 300 + [ClaimOutcome.DUPLICATE] * 5
        assert not result.completions
        assert all(ledger.inspect(key).state is EntryState.DONE for key in first[::50])

    def test_rows_that_are_not_plain_are_found_in_a_large_batch(self, ledger: LedgerApi) -> None:
        """Every seventh was there before: whether the server is asked row by row or many at once."""
        first, owner = Owner(ledger), Owner(ledger, take=False)
        owner.held = first.held
        keys = [new_key() for _ in range(300)]
        known = range(0, 300, 7)
        first.claim_all([keys[row] for row in known], known)
        for row in known[::3]:
            first.complete(keys[row])
        claims = owner.claim_all(keys, range(1000, 1300)).claims
        met = dict.fromkeys(known, ClaimOutcome.DUPLICATE_IN_FLIGHT)
        met |= dict.fromkeys(known[::3], ClaimOutcome.DUPLICATE)
        assert list(claims) == [met.get(row, ClaimOutcome.NEW) for row in range(300)]
        new = [row for row in range(300) if row not in met]
        entries = [ledger.inspect(keys[row]) for row in new]
        assert [entry.position.offset for entry in entries] == [1000 + row for row in new]
        strangers = [new_key() for _ in range(3)]
        everything = [*keys, *strangers]
        result = owner.exchange(completions=Completions(everything, [PAYLOAD] * 303))
        late = dict.fromkeys(known, CompletionOutcome.LATE)
        late |= dict.fromkeys(known[::3], CompletionOutcome.ALREADY)
        assert result.completions == late | dict.fromkeys(range(300, 303), CompletionOutcome.MISSING)
        assert all(ledger.inspect(key) == Entry(EntryState.DONE, PAYLOAD) for key in everything)

    def test_one_id_twice_in_a_batch(self, ledger: LedgerApi) -> None:
        owner, key, other = Owner(ledger), new_key(), new_key()
        result = owner.claim_all([key, other, key, key], [1, 2, 1, 3])
        assert list(result.claims) == [
            ClaimOutcome.NEW,
            ClaimOutcome.NEW,
            ClaimOutcome.RESUMED,
            ClaimOutcome.DUPLICATE_IN_FLIGHT,
        ]
        assert ledger.inspect(key).position.offset == 1
        result = owner.exchange(completions=Completions([key, other, key], [PAYLOAD] * 3))
        assert result.completions == {2: CompletionOutcome.ALREADY}

    def test_what_ran_under_a_grant_has_no_entry(self, ledger: LedgerApi) -> None:
        owner, other = Owner(ledger), Owner(ledger, take=False)
        other.held = owner.held
        plain, claimed, done, foreign = (new_key() for _ in range(4))
        owner.claim(claimed, 1)
        owner.complete(done)
        other.claim(foreign, 2)
        keys = [plain, claimed, done, foreign]
        result = owner.exchange(completions=Completions(keys, [PAYLOAD] * 4, granted=True))
        assert result.completions == {2: CompletionOutcome.ALREADY, 3: CompletionOutcome.LATE}
        assert all(ledger.inspect(key) == Entry(EntryState.DONE, PAYLOAD) for key in keys)

    round_trips_per_batch = 1

    def test_empty_exchange_is_a_heartbeat(self, ledger: LedgerApi) -> None:
        assert Owner(ledger).exchange().session is SessionStatus.ALIVE
