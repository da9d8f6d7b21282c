"""The sizing formulas against published values, each other and a simulation."""

import math
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.contract import sizing

MIB = 1 << 20


def test_classic_bits_are_the_textbook_values() -> None:
    assert sizing.classic_bits(0.01) == pytest.approx(9.585, abs=0.001)
    assert sizing.classic_bits(0.001) == pytest.approx(14.378, abs=0.001)


def test_split_block_rate_agrees_with_a_simulated_filter() -> None:
    # 200 blocks of 8 words of 64 bits as sets, 40 ids per block on average.
    rng = random.Random(11)
    blocks: list[set[tuple[int, int]]] = [set() for _ in range(200)]
    for _ in range(200 * 40):
        block = rng.choice(blocks)
        block.update((word, rng.randrange(64)) for word in range(8))
    tries = 40_000
    hits = 0
    for _ in range(tries):
        block = rng.choice(blocks)
        hits += all((word, rng.randrange(64)) in block for word in range(8))
    assert hits / tries == pytest.approx(sizing.split_block_fpr(512 / 40), rel=0.2)


@pytest.mark.parametrize("fpr", [0.2, 0.01, 0.001, 0.00025, 1e-6])
def test_bits_invert_the_rate_and_exceed_the_classic_filter(fpr: float) -> None:
    bits = sizing.split_block_bits(fpr)
    assert sizing.split_block_fpr(bits) == pytest.approx(fpr, rel=1e-3)
    assert bits > sizing.classic_bits(fpr)


def test_an_overfull_block_hits_always_and_an_empty_one_hardly() -> None:
    assert sizing.split_block_fpr(0.05) == pytest.approx(1.0)
    assert sizing.split_block_fpr(1e6) < 1e-9


@given(
    fpr=st.floats(1e-6, 0.5),
    generations=st.integers(2, 16),
)
def test_generations_share_the_false_positive_rate(fpr: float, generations: int) -> None:
    each = sizing.generation_fpr(fpr, generations)
    assert each < fpr
    assert sizing.union_fpr([each] * generations) == pytest.approx(fpr, rel=1e-9)


@pytest.mark.parametrize("partitions", [1, 12, 96])
def test_ten_minutes_at_15000_fit_into_32_mib(partitions: int) -> None:
    size = sizing.filter_size(15_000, 600, 0.001, generations=4, partitions=partitions)
    assert size.bytes_total <= 32 * MIB
    # ... and are no less than theory asks for the ids of a whole window.
    assert size.bytes_total > 15_000 * 600 * sizing.classic_bits(0.001) / 8


@given(
    rate=st.floats(0.01, 1e5),
    window=st.floats(1, 1e5),
    generations=st.integers(2, 8),
    partitions=st.integers(1, 200),
)
def test_closed_generations_span_the_window_and_hold_its_ids(
    rate: float, window: float, generations: int, partitions: int
) -> None:
    size = sizing.filter_size(rate, window, 0.001, generations, partitions)
    assert size.rotation * (generations - 1) == pytest.approx(window)
    assert size.ids_per_generation >= rate / partitions * size.rotation
    assert size.bytes_per_generation * 8 >= size.ids_per_generation * size.bits_per_id
    assert size.bytes_total == size.bytes_per_generation * generations * partitions


def test_exact_memory_by_entries_equals_by_rate_and_window() -> None:
    by_rate = sizing.exact_memory_size(rate=15_000, window=600)
    assert by_rate == sizing.exact_memory_size(entries=9_000_000)
    assert by_rate.entries == 9_000_000
    assert 23 < by_rate.bytes / by_rate.entries <= 24


def test_exact_memory_loses_little_of_its_span_by_the_formula() -> None:
    # Mean over ages x of P(Poisson(x) >= ways), as the docstring says.
    per_bucket = 1e6 / sizing.exact_buckets(1_000_000)
    steps = 200

    def tail(mean: float) -> float:
        return 1 - sum(
            math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(sizing.EXACT_WAYS)
        )

    lost = sum(tail(per_bucket * (i + 0.5) / steps) for i in range(steps)) / steps
    assert lost == pytest.approx(0.0015, abs=0.0005)
    assert tail(per_bucket) == pytest.approx(0.02, abs=0.005)


def test_ledger_holds_what_arrives_within_its_ttl() -> None:
    size = sizing.ledger_size(15_000, 3600)
    assert size.entries == 54_000_000
    assert size.bytes == 54_000_000 * 110
    assert sizing.ledger_size(10, 10, bytes_per_id=90).bytes == 9000


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"rate": 0, "window": 600, "fpr": 0.001}, "rate"),
        ({"rate": 10, "window": math.inf, "fpr": 0.001}, "window"),
        ({"rate": 10, "window": math.nan, "fpr": 0.001}, "window"),
        ({"rate": 10, "window": 600, "fpr": 1.0}, "fpr"),
        ({"rate": 10, "window": 600, "fpr": 0.0}, "fpr"),
        ({"rate": 10, "window": 600, "fpr": 0.1, "generations": 1}, "generations"),
        ({"rate": 10, "window": 600, "fpr": 0.1, "partitions": 0}, "partitions"),
    ],
)
def test_impossible_sizes_are_refused_by_name(arguments: dict[str, float], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        sizing.filter_size(**arguments)  # type: ignore[arg-type]


def test_exact_memory_without_a_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="entries, or by rate and window"):
        sizing.exact_memory_size(rate=5)


def test_sizing_stays_light_enough_for_the_operator() -> None:
    script = (
        "import sys, doublegate.contract.sizing; print([m for m in ('numpy', 'abloom') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
