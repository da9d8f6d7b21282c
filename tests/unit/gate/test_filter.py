"""The windowed filter: no false negative within its coverage, honest about rate, warmth and fill."""

import itertools
import subprocess
import sys
from dataclasses import replace

import pytest
from abloom import BloomFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract import sizing
from doublegate.contract.sizing import FilterSize
from doublegate.gate import filter_snapshot
from doublegate.gate.filter import PartitionFilter, SnapshotError

MIB = 1 << 20
WINDOW = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def sized(ids: int = 100, generations: int = 4, fpr: float = 1e-6) -> FilterSize:
    """A filter for `WINDOW` seconds that rotates after `ids` ids."""
    size = sizing.filter_size(1, WINDOW, fpr, generations)
    return replace(size, ids_per_generation=ids)


def key(n: int) -> bytes:
    return n.to_bytes(16, "big")


def keys(start: int, count: int) -> list[bytes]:
    return [key(n) for n in range(start, start + count)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def seen(held: PartitionFilter, n: int) -> bool:
    """Ask without adding."""
    return any(key(n) in generation.bloom for generation in held._ids.all)


# --- answers ---


def test_the_first_is_new_and_the_second_is_not_even_in_one_batch(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    assert held.add_all([key(1), key(2), key(1)]) == [True, True, False]
    assert held.add_all([key(2), key(3)]) == [False, True]
    assert held.add_all([]) == []
    assert held.misses == 3


@settings(deadline=None, max_examples=200)
@given(
    ids=st.sampled_from([1, 3, 10, 1000]),
    generations=st.integers(2, 9),
    steps=st.lists(
        st.tuples(st.integers(0, 20), st.lists(st.integers(0, 60), max_size=40)), min_size=1, max_size=25
    ),
)
def test_no_id_within_the_coverage_is_ever_called_new(
    ids: int, generations: int, steps: list[tuple[int, list[int]]]
) -> None:
    clock = Clock()
    held = PartitionFilter("p", sized(ids, generations), clock=clock)
    held.mark_warm()
    last_seen: dict[int, float] = {}
    for wait, numbers in steps:
        clock.now += wait
        answers = held.add_all([key(n) for n in numbers])
        for n, new in zip(numbers, answers, strict=True):
            age = clock.now - last_seen.get(n, -1e9)
            if n not in last_seen:
                assert new, "an id that was never seen"
            elif age < WINDOW and held.covers(age + 0.5):  # times are whole seconds
                assert not new
            last_seen[n] = clock.now
        assert len(held._ids.all) <= generations
        assert all(generation.count <= ids for generation in held._ids.all)
        assert held.warm is not held.saturated  # nothing but room can end the warmth here


@settings(deadline=None, max_examples=100)
@given(
    generations=st.integers(2, 6),
    waits=st.lists(st.floats(0.01, 25, allow_nan=False), min_size=2, max_size=60),
)
def test_time_alone_never_costs_coverage(generations: int, waits: list[float]) -> None:
    clock = Clock()
    held = PartitionFilter("p", sized(10_000, generations), clock=clock)
    held.mark_warm()
    log: list[tuple[float, int]] = []
    for number, wait in enumerate(waits):
        clock.now += wait
        held.add_all([key(number)])
        log.append((clock.now, number))
        assert held.warm
        assert all(seen(held, n) for at, n in log if at > clock.now - WINDOW)


def test_what_only_an_old_generation_holds_is_held_on_from_when_it_was_seen_again(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    held.add_all([key(1)])
    clock.now += 29
    assert held.add_all([key(1)]) == [False]
    clock.now += 29
    assert held.add_all([key(1)]) == [False]


# --- rotation ---


def test_a_generation_closes_after_its_share_of_the_window(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)  # 30 s in 3 closed generations: 10 s each
    held.add_all([key(1)])
    clock.now += 9.999
    held.add_all([key(2)])
    assert len(held._ids.all) == 1
    clock.now += 0.002
    held.add_all([key(3)])
    assert [generation.count for generation in held._ids.all] == [2, 1]


def test_ids_older_than_the_window_go_and_their_room_with_them(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    for n in range(200):
        held.add_all([key(n)])
        clock.now += 1
    assert len(held._ids.all) <= 4
    assert not seen(held, 0)
    assert held.fill < 0.2
    assert not held.saturated
    clock.now += 10 * WINDOW
    held.add_all([key(999)])
    assert [generation.count for generation in held._ids.all] == [1]


def test_a_batch_larger_than_a_generation_is_spread_over_several(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=10), clock=clock)
    held.mark_warm()
    assert held.add_all(keys(0, 35)) == [True] * 35
    assert [generation.count for generation in held._ids.all] == [10, 10, 10, 5]
    assert all(seen(held, n) for n in range(35))
    assert held.warm


@pytest.mark.parametrize("generations", range(2, 10))
def test_every_generation_is_asked(generations: int, clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=10, generations=generations), clock=clock)
    held.add_all(keys(0, 10 * (generations - 1)))
    assert len(held._ids.all) == generations - 1
    for n in range(0, 10 * (generations - 1), 10):  # one of each; there is room for 10 again
        assert held.add_all([key(n + 1)]) == [False]


def test_duplicates_do_not_use_up_room(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=10), clock=clock)
    for _ in range(50):
        held.add_all(keys(0, 9))
    assert [generation.count for generation in held._ids.all] == [9]


def test_an_id_that_lives_on_in_the_newest_generation_takes_room_there(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=10), clock=clock)
    held.add_all(keys(0, 10))
    held.add_all(keys(5, 10))  # five known, five new
    assert [generation.count for generation in held._ids.all] == [10, 10]


# --- warmth and saturation ---


def test_a_new_filter_is_cold_until_a_window_has_passed(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    assert not held.warm
    clock.now += WINDOW - 0.001
    assert not held.warm
    assert held.covers(10)
    clock.now += 0.001
    assert held.warm


def test_it_never_claims_more_than_its_window(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    held.mark_warm()
    assert held.covers(WINDOW)
    assert not held.covers(WINDOW + 1)


def test_more_ids_than_room_turn_it_cold_and_saturated_for_a_window(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=10), clock=clock)
    held.mark_warm()
    held.add_all(keys(0, 40))
    assert held.warm
    clock.now += 1
    held.add_all([key(40)])  # the first ten have to go, one second old
    assert held.saturated
    assert not held.warm
    held.mark_warm()
    assert not held.warm, "what was lost cannot be talked back"
    assert held.covers(1)
    assert not held.covers(1.1)
    assert held.predicted_fpr <= held.size.fpr
    clock.now += WINDOW - 1
    assert held.warm
    assert not held.saturated


def test_coverage_ends_with_the_youngest_id_that_had_to_go(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=10), clock=clock)
    held.mark_warm()
    held.add_all(keys(0, 9))
    clock.now += 2
    held.add_all([key(9)])
    clock.now += 1
    held.add_all(keys(10, 31))  # the first ten go: nine are 3 s old, one is 1 s old
    assert held.covers(1)
    assert not held.covers(1.1)


def test_an_early_rotation_that_loses_nothing_costs_nothing(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=10), clock=clock)
    held.mark_warm()
    held.add_all(keys(0, 25))
    assert held.warm
    assert not held.saturated


def test_a_skipped_range_or_a_rewind_starts_coverage_anew(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    held.mark_warm()
    held.mark_cold()
    assert not held.warm
    clock.now += WINDOW
    assert held.warm


def test_a_re_read_with_the_records_times_warms_it_and_fills_it_like_life(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=22), clock=clock, since=clock.now - WINDOW)
    for n in range(30):  # one id a second
        held.learn([key(n)], now=clock.now - WINDOW + n, last_offset=n)
    assert held.warm
    assert held.highest_offset == 29
    assert held.misses == 0
    for n in range(30, 120):
        assert held.add_all([key(n), key(n - 29)]) == [True, False]
        clock.now += 1
        assert held.warm


def test_time_given_backwards_counts_as_the_latest(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    held.add_all([key(1)])
    held.add_all([key(2)], now=clock.now - 500)
    assert held._ids.all[-1].last == clock.now


def test_the_highest_offset_only_rises(clock: Clock) -> None:
    held = PartitionFilter("p", sized(), clock=clock)
    assert held.highest_offset == -1
    held.add_all([key(1)], last_offset=41)
    held.add_all([key(2)], last_offset=7)
    held.add_all([key(3)])
    assert held.highest_offset == 41


# --- rates and sizes, on the real filter ---


def test_the_false_positive_rate_at_capacity_is_the_one_asked_for(clock: Clock) -> None:
    target = 0.001
    size = sizing.filter_size(2500, WINDOW, target)
    held = PartitionFilter("p", size, clock=clock)
    for generation in range(size.generations):
        held.add_all(keys(generation << 40, size.ids_per_generation))
        clock.now += 1
    assert held.fill == pytest.approx(1, abs=0.001)
    tries = 300_000
    rate = sum(seen(held, (1 << 80) + n) for n in range(tries)) / tries
    assert 0.6 * target < rate < 1.5 * target
    assert held.predicted_fpr == pytest.approx(target, rel=0.05)


def test_prediction_follows_the_fill(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=2000, fpr=0.01), clock=clock)
    assert held.fill == 0
    assert held.predicted_fpr == 0
    held.add_all(keys(0, 1000))
    half = held.predicted_fpr
    assert held.fill == pytest.approx(1 / 8)
    held.add_all(keys(1000, 1000))
    assert 0 < half < held.predicted_fpr < 0.01


def test_observed_rate_is_false_hits_among_new_ids(clock: Clock) -> None:
    held = PartitionFilter("p", sized(ids=1000), clock=clock)
    assert held.observed_fpr == 0
    held.add_all(keys(0, 98))
    held.record_false_hit(2)
    held.record_true_hit(500)
    assert held.observed_fpr == pytest.approx(0.02)
    assert held.true_hits == 500


@pytest.mark.parametrize("capacity", [10_000, 31_250, 250_000, 3_000_000])
@pytest.mark.parametrize("fpr", [0.01, 0.00025])
def test_the_documented_formula_is_what_the_real_filter_allocates(capacity: int, fpr: float) -> None:
    real = BloomFilter(capacity, fpr, serializable=True)
    assert real.byte_count * 8 == pytest.approx(capacity * sizing.split_block_bits(fpr), rel=0.01)


@pytest.mark.parametrize("partitions", [1, 12])
def test_ten_minutes_at_15000_take_at_most_32_mib_in_real_filters(partitions: int, clock: Clock) -> None:
    size = sizing.filter_size(15_000, 600, 0.001, 4, partitions)
    pod = [PartitionFilter(f"p{n}", size, clock=clock) for n in range(partitions)]
    for generation in range(10):
        for moment in range(2):  # both ends of a generation, or its ids would go together
            for held in pod:
                held.add_all([key(2 * generation + moment)])
            clock.now += size.rotation * 0.501
    assert all(len(held._ids.all) == 4 for held in pod)
    assert sum(held.nbytes for held in pod) <= 32 * MIB
    assert sum(held.nbytes for held in pod) == size.bytes_total


# --- snapshots ---


@pytest.fixture
def filled(clock: Clock) -> PartitionFilter:
    """30 ids, one a second, the last at the present; warm."""
    held = PartitionFilter("scope/topic/3", sized(), clock=clock)
    held.mark_warm()
    for n in range(30):
        held.add_all([key(n)], last_offset=100 + n)
        clock.now += 1
    return held


def restored(data: bytes, clock: Clock, *, wall: float, skew: float = 0.0) -> PartitionFilter:
    return PartitionFilter.restore(data, "scope/topic/3", sized(), clock=clock, wall=wall, clock_skew=skew)


def test_a_snapshot_goes_on_in_a_process_with_another_clock(filled: PartitionFilter) -> None:
    data = filled.snapshot(wall=5_000.0)
    other = Clock()
    other.now = 7.0
    copy = restored(data, other, wall=5_002.0)
    assert copy.highest_offset == 129
    assert [g.count for g in copy._ids.all] == [g.count for g in filled._ids.all]
    # 2 s passed: the same ids leave at the same age as they would have.
    assert [round(other.now - g.last, 6) for g in copy._ids.all] == [
        round(1030.0 - g.last + 2, 6) for g in filled._ids.all
    ]
    assert copy.add_all(keys(0, 31)) == [False] * 30 + [True]


def test_a_restored_filter_is_cold_until_told_that_nothing_is_missing(
    filled: PartitionFilter, clock: Clock
) -> None:
    data = filled.snapshot(wall=0)
    assert filled.warm
    copy = restored(data, clock, wall=1)
    assert not copy.warm
    copy.caught_up()
    assert copy.warm
    # ... or, with a gap, until a window has passed in which it saw everything itself.
    gap = restored(data, clock, wall=1)
    gap.mark_cold()
    gap.caught_up()
    assert not gap.warm
    clock.now += WINDOW
    assert gap.warm


def test_a_cold_filters_snapshot_stays_cold(clock: Clock) -> None:
    held = PartitionFilter("scope/topic/3", sized(), clock=clock)
    clock.now += 10
    held.add_all([key(1)])
    copy = restored(held.snapshot(wall=0), clock, wall=0)
    copy.caught_up()
    assert not copy.warm
    assert copy.covers(10)


def test_saturation_survives_a_snapshot(clock: Clock) -> None:
    held = PartitionFilter("scope/topic/3", sized(ids=5), clock=clock)
    held.mark_warm()
    held.add_all(keys(0, 21))
    copy = PartitionFilter.restore(
        held.snapshot(wall=0), "scope/topic/3", sized(ids=5), clock=clock, wall=9, clock_skew=0
    )
    copy.caught_up()
    assert copy.saturated
    assert not copy.warm


def test_clocks_that_disagree_never_age_an_id(filled: PartitionFilter, clock: Clock) -> None:
    data = filled.snapshot(wall=5_000.0)
    for wall, skew in itertools.product((4_000.0, 5_004.0), (5.0,)):
        copy = restored(data, clock, wall=wall, skew=skew)
        assert [g.last for g in copy._ids.all] == [g.last for g in filled._ids.all]


def test_a_re_read_after_restore_takes_the_records_own_times(filled: PartitionFilter, clock: Clock) -> None:
    data = filled.snapshot(wall=0)
    clock.now += 20
    copy = restored(data, clock, wall=20)
    copy.learn([key(77)], now=clock.now - 15, last_offset=130)
    assert copy._ids.all[-1].last == clock.now - 15


def test_snapshots_of_another_partition_or_shape_are_refused(filled: PartitionFilter) -> None:
    data = filled.snapshot()
    with pytest.raises(SnapshotError, match="scope/topic/4"):
        PartitionFilter.restore(data, "scope/topic/4", sized())
    with pytest.raises(SnapshotError, match="wanted is"):
        PartitionFilter.restore(data, "scope/topic/3", sized(ids=101))
    with pytest.raises(SnapshotError, match="wanted is"):
        PartitionFilter.restore(data, "scope/topic/3", replace(sized(), window=31.0))


def test_damaged_snapshots_are_refused(filled: PartitionFilter) -> None:
    data = filled.snapshot()
    for broken in (b"", data[:10], data[:-1], data + b"\0", b"XXXX" + data[4:]):
        with pytest.raises(SnapshotError):
            PartitionFilter.restore(broken, "scope/topic/3", sized())
    newer = data[:4] + bytes([filter_snapshot.VERSION + 1]) + data[5:]
    with pytest.raises(SnapshotError, match="format version 2"):
        PartitionFilter.restore(newer, "scope/topic/3", sized())


@settings(deadline=None, max_examples=60)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_passes(position: int, bit: int) -> None:
    held = PartitionFilter("scope/topic/3", sized())
    held.add_all(keys(0, 50))
    data = bytearray(held.snapshot())
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(SnapshotError):
        PartitionFilter.restore(bytes(data), "scope/topic/3", sized())


def test_a_sound_envelope_around_nonsense_is_refused(filled: PartitionFilter) -> None:
    import xxhash

    for header in (b"{}", b"[]", b"no json"):
        body = filter_snapshot._PREFIX.pack(b"DGPF", filter_snapshot.VERSION, len(header)) + header
        with pytest.raises(SnapshotError, match="not understood"):
            PartitionFilter.restore(body + xxhash.xxh3_64_digest(body), "scope/topic/3", sized())


def test_hashing_is_the_same_in_every_process(filled: PartitionFilter) -> None:
    script = (
        "import sys\n"
        "from abloom import BloomFilter\n"
        "bloom = BloomFilter.from_bytes(sys.stdin.buffer.read())\n"
        "print([n.to_bytes(16, 'big') in bloom for n in range(20)])"
    )
    first = filled._ids.all[0]
    answer = subprocess.run(
        [sys.executable, "-c", script],
        input=first.bloom.to_bytes(),
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "12345"},
    )
    assert answer.stdout.decode().strip() == str([key(n) in first.bloom for n in range(20)])
    assert first.count == 11
