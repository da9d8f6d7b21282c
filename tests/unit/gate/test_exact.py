"""Exact memory: flat in size, exact in its answers, and it keeps what it is sized for."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from doublegate.contract import sizing
from doublegate.gate.exact import MISS, OTHER, SAME, ExactMemory, digest_words, key_words

Words = NDArray[np.uint64]


def random_ids(n: int, seed: int) -> tuple[Words, Words]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 2**64, (n, 2), dtype=np.uint64, endpoint=False),
        rng.integers(0, 2**64, n, dtype=np.uint64, endpoint=False),
    )


def words(*values: int) -> Words:
    return np.array(values, dtype=np.uint64)


def in_one_bucket(fingerprints: list[int]) -> Words:
    return np.array([(0, f) for f in fingerprints], dtype=np.uint64).reshape(-1, 2)


def test_an_acknowledged_id_is_the_same_another_payload_is_not_and_a_stranger_is_missed() -> None:
    memory = ExactMemory(10_000)
    keys, digests = random_ids(500, 1)
    memory.add(keys[:400], digests[:400])
    other = digests.copy()
    other[::2] ^= np.uint64(1)
    answers = memory.lookup(keys, other)
    assert answers.dtype == np.uint8
    assert (answers[0:400:2] == OTHER).all()
    assert (answers[1:400:2] == SAME).all()
    assert (answers[400:] == MISS).all()


def test_bytes_make_words_as_they_stand() -> None:
    keys = [bytes(range(16)), b"\xff" * 16]
    assert key_words(keys).tobytes() == b"".join(keys)
    assert key_words(keys).shape == (2, 2)
    assert digest_words([bytes(range(8))]).tolist() == [int.from_bytes(bytes(range(8)), "little")]
    assert key_words([]).shape == (0, 2)


def test_empty_batches_are_fine() -> None:
    memory = ExactMemory(100)
    memory.add(key_words([]), digest_words([]))
    assert memory.lookup(key_words([]), digest_words([])).tolist() == []
    assert len(memory) == 0


def test_an_empty_slot_matches_no_key() -> None:
    memory = ExactMemory(1000)
    zero = in_one_bucket([0])
    assert memory.lookup(zero, words(0)).tolist() == [MISS]
    memory.add(zero, words(7))
    assert memory.lookup(zero, words(7)).tolist() == [SAME]
    assert len(memory) == 1


@pytest.mark.parametrize("capacity", [1024, 100_000, 1_000_000])
def test_memory_is_at_most_24_bytes_per_id_flat_and_as_sized(capacity: int) -> None:
    memory = ExactMemory(capacity)
    at_birth = memory.nbytes
    assert at_birth <= 24 * capacity
    assert at_birth == sizing.exact_memory_size(entries=capacity).bytes
    for seed in range(3):
        memory.add(*random_ids(capacity // 2, seed))
    assert memory.nbytes == at_birth


@settings(max_examples=15, deadline=None)
@given(capacity=st.integers(5_000, 40_000), batch=st.integers(1_000, 5_000), seed=st.integers(0, 2**32))
def test_at_least_99_percent_of_the_last_capacity_ids_are_retained(
    capacity: int, batch: int, seed: int
) -> None:
    memory = ExactMemory(capacity)
    keys, digests = random_ids(3 * capacity, seed)
    for start in range(0, len(keys), batch):
        memory.add(keys[start : start + batch], digests[start : start + batch])
    answers = memory.lookup(keys[-capacity:], digests[-capacity:])
    assert np.count_nonzero(answers == SAME) >= 0.99 * capacity
    assert np.count_nonzero(answers == OTHER) == 0
    assert capacity <= len(memory) <= memory.nbytes // sizing.EXACT_SLOT_BYTES


def test_a_full_bucket_forgets_its_oldest_first_even_within_one_batch() -> None:
    memory = ExactMemory(1)  # a single bucket
    ways = sizing.EXACT_WAYS
    fingerprints = list(range(1, 2 * ways + 4))
    memory.add(in_one_bucket(fingerprints), np.array(fingerprints, dtype=np.uint64))
    answers = memory.lookup(in_one_bucket(fingerprints), np.array(fingerprints, dtype=np.uint64))
    assert answers.tolist() == [MISS] * (len(fingerprints) - ways) + [SAME] * ways
    assert len(memory) == ways


def test_adding_again_takes_the_new_digest_and_no_second_slot() -> None:
    memory = ExactMemory(1)
    memory.add(in_one_bucket([5, 6]), words(50, 60))
    memory.add(in_one_bucket([5]), words(51))
    memory.add(in_one_bucket([7, 7, 7]), words(70, 71, 72))
    assert len(memory) == 3
    assert memory.lookup(in_one_bucket([5, 6, 7]), words(51, 60, 72)).tolist() == [SAME] * 3
    assert memory.lookup(in_one_bucket([5, 7]), words(50, 70)).tolist() == [OTHER] * 2
    # The slots it did not take are free for others: all ways fit.
    more = list(range(100, 100 + sizing.EXACT_WAYS - 3))
    memory.add(in_one_bucket(more), np.array(more, dtype=np.uint64))
    assert memory.lookup(in_one_bucket([5, 6, 7]), words(51, 60, 72)).tolist() == [SAME] * 3


def test_a_flood_of_one_key_takes_no_more_rounds_than_two(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = ExactMemory(1000)
    rounds: list[int] = []
    write = memory._write

    def counted(bucket: NDArray[np.intp], fingerprint: Words, digests: Words) -> None:
        rounds.append(len(bucket))
        write(bucket, fingerprint, digests)

    monkeypatch.setattr(memory, "_write", counted)
    memory.add(in_one_bucket([5] * 2000), np.arange(2000, dtype=np.uint64))
    assert rounds == [1, 1]
    assert memory.lookup(in_one_bucket([5]), words(1999)).tolist() == [SAME]


def test_forgetting_leaves_nothing_and_works_on() -> None:
    memory = ExactMemory(1000)
    keys, digests = random_ids(300, 4)
    memory.add(keys, digests)
    memory.forget_all()
    assert len(memory) == 0
    assert not memory.lookup(keys, digests).any()
    memory.add(keys, digests)
    assert (memory.lookup(keys, digests) == SAME).all()


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        ExactMemory(0)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=60),
        max_size=12,
    )
)
def test_one_bucket_behaves_like_a_first_in_first_out_dictionary(
    batches: list[list[tuple[int, int]]],
) -> None:
    memory = ExactMemory(1)
    model: OrderedDict[int, int] = OrderedDict()
    for batch in batches:
        # Distinct ids per batch: an id is acknowledged once per batch.
        for fingerprint, digest in (distinct := dict(batch)).items():
            model[max(fingerprint, 1)] = digest
            if len(model) > sizing.EXACT_WAYS:
                model.popitem(last=False)
        if 0 in distinct and 1 in distinct:
            return  # the one pair of fingerprints that is one by design
        memory.add(in_one_bucket(list(distinct)), np.array(list(distinct.values()), dtype=np.uint64))
        everyone = list(range(1, 51))
        expected = [SAME if model.get(f) == 2 else OTHER if f in model else MISS for f in everyone]
        digests = np.full(len(everyone), 2, dtype=np.uint64)
        assert memory.lookup(in_one_bucket(everyone), digests).tolist() == expected
        assert len(memory) == len(model)
