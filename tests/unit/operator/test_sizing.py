"""Memory of a pod, what fits into its limit, and lifetimes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.sizing import exact_memory_size, filter_size
from doublegate_operator.core.quantity import mebibytes, parse_quantity
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.sizing import BASE_BYTES, pod_memory, ttl_warning, unfit
from tests.unit.operator.world import World, condition, consumer, object_of, said

FIT = re.compile(r"(pod\.resources\.limits\.memory|filter\.[A-Za-z]+) ([^,. ]+(?:\.[0-9]+)?)")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 << 20),
        ("1.5Gi", 3 << 29),
        ("2e9", 2 * 10**9),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1k", 1000),
        ("1500m", 2),
        ("7", 7),
        (".5Ki", 512),
        ("1.", 1),
        (64, 64),
        ("", None),
        ("5 Mi", None),
        ("Mi", None),
        ("-1", None),
        ("1MB", None),
        (True, None),
        (-1, None),
        (None, None),
    ],
)
def test_quantities(text: object, size: int | None) -> None:
    assert parse_quantity(text) == size


@given(st.integers(0, 1 << 60))
def test_mebibytes_never_round_down(size: int) -> None:
    text = mebibytes(size)
    assert size <= (parse_quantity(text) or 0) < size + (1 << 20)


def test_memory_is_what_the_runtime_allocates() -> None:
    spec = consumer(filter__expectedRate=15000, flow__maxBytes="64Mi").spec
    memory = pod_memory(spec, 12)
    assert memory.filter == filter_size(15000, 600, 0.001, 4, 12).bytes_total
    assert memory.exact == exact_memory_size(rate=15000, window=600).bytes
    assert memory.needed == memory.filter + memory.exact + (128 << 20) + BASE_BYTES


def limited(memory: str, **fields: Any) -> Any:
    return consumer(pod__resources={"limits": {"memory": memory}}, **fields)


specs = st.builds(
    lambda rate, window, fpr, generations, entries, flow: {
        "filter": {
            "expectedRate": rate,
            "window": f"{window}s",
            "falsePositiveRate": fpr,
            "generations": generations,
            **({} if entries is None else {"exactEntries": entries}),
        },
        "flow": {"maxBytes": f"{flow}Mi"},
    },
    st.floats(1, 1e6),
    st.integers(1, 86400),
    st.floats(1e-6, 0.1),
    st.integers(2, 8),
    st.none() | st.integers(1, 10**8),
    st.integers(1, 1024),
)


@settings(deadline=None)
@given(specs, st.integers(1, 200), st.integers(100, 4096))
def test_what_is_said_to_fit_does(given_spec: dict[str, Any], partitions: int, limit: int) -> None:
    resource = limited(f"{limit}Mi", **given_spec)
    found = unfit(resource.spec, partitions)
    fits = pod_memory(resource.spec, partitions).needed <= limit << 20
    assert (found is None) == fits
    if found is None:
        return
    assert found.reason is Reason.FILTER_TOO_LARGE
    offers = FIT.findall(found.message.partition("Any one of these fits: ")[2])
    assert offers[0][0] == "pod.resources.limits.memory"
    for path, value in offers:
        if path == "pod.resources.limits.memory":
            changed = limited(value, **given_spec)
        else:
            name = path.removeprefix("filter.")
            typed = value if name == "window" else int(value) if name == "exactEntries" else float(value)
            changed = limited(f"{limit}Mi", **{**given_spec, "filter": given_spec["filter"] | {name: typed}})
        assert unfit(changed.spec, partitions) is None, path


def test_the_nearest_values_are_the_largest_that_fit() -> None:
    resource = limited("400Mi", filter__expectedRate=15000)
    found = unfit(resource.spec, 12)
    assert found is not None
    offers = dict(FIT.findall(found.message.partition("fits: ")[2]))
    rate = int(offers["filter.expectedRate"])
    assert unfit(limited("400Mi", filter__expectedRate=rate).spec, 12) is None
    assert unfit(limited("400Mi", filter__expectedRate=rate + 1).spec, 12) is not None


def test_a_window_that_its_mode_forbids_is_not_offered() -> None:
    fields = {"ledger__claim": "PerPartition", "ledger__ttl": "10m", "filter__expectedRate": 15000}
    found = unfit(limited("400Mi", **fields).spec, 12)
    assert found is not None
    assert "filter.window" not in found.message


def test_too_large_is_refused_and_nothing_touched() -> None:
    world = World(resource=limited("200Mi"))
    made = world.step()
    assert said(made, "Stalled") == ("True", "FilterTooLarge")
    assert said(made, "Ready") == ("False", "FilterTooLarge")
    assert "Any one of these fits" in condition(made.status, "Stalled").message
    assert (made.bind, made.topics, made.apply) == (None, (), False)
    # What ran before goes on as it was.
    running = World()
    running.settle()
    running.resource = limited("200Mi")
    made = running.step()
    assert not made.apply
    assert said(made, "Stalled")[0] == "True"


def test_a_limit_that_is_no_quantity_is_told() -> None:
    made = World(resource=limited("lots")).step()
    assert said(made, "Stalled") == ("True", "Invalid")
    assert "spec.pod.resources.limits.memory: given lots" in condition(made.status, "Stalled").message


def test_without_a_limit_it_is_set() -> None:
    made = World().settle()
    [container] = object_of(made, "Deployment")["spec"]["template"]["spec"]["containers"]
    needed = pod_memory(consumer().spec, 12).needed
    limit = container["resources"]["limits"]["memory"]
    assert needed <= (parse_quantity(limit) or 0) < needed + (1 << 20)
    assert container["resources"]["requests"]["memory"] == limit


def test_a_larger_request_lifts_the_limit() -> None:
    made = World(resource=consumer(pod__resources={"requests": {"memory": "2Gi", "cpu": "2"}})).settle()
    [container] = object_of(made, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "2048Mi"}
    assert container["resources"]["requests"] == {"memory": "2Gi", "cpu": "2"}


@pytest.mark.parametrize(
    ("fields", "short"),
    [
        ({}, False),
        ({"ledger__ttl": "599s"}, True),
        ({"ledger__ttl": "600s"}, False),
        ({"filter__window": "2h"}, True),
        # 5 attempts of 10 s with 200 + 400 + 800 + 1600 ms between them, twice: 106 s
        ({"filter__window": "10s", "ledger__ttl": "105s"}, True),
        ({"filter__window": "10s", "ledger__ttl": "106s"}, False),
        ({"filter__window": "10s", "retries__attempts": 1000, "retries__maxBackoff": "1d"}, True),
    ],
)
def test_a_ttl_covers_what_comes_again(fields: dict[str, Any], short: bool) -> None:
    assert (ttl_warning(consumer(**fields).spec) is not None) == short
