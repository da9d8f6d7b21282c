"""The page of operations has every condition and reason, where the operator gives it, and right figures."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings

from doublegate.contract.sizing import ledger_size
from doublegate_operator.core.reasons import ConditionType, Reason
from doublegate_operator.core.sizing import pod_memory
from infra.certificates import _AUTHORITY_DAYS, _SERVER_DAYS
from tests.unit.operator.test_plan import worlds
from tests.unit.operator.world import World, consumer

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
PARTS = {
    ConditionType.TOPICS_READY,
    ConditionType.LEDGER_READY,
    ConditionType.SCHEMA_COMPATIBLE,
    ConditionType.SCALING_READY,
}
BAD = {ConditionType.STALLED: "True", ConditionType.PAUSED: "True"} | dict.fromkeys(PARTS, "False")
"""By condition: the status that is not as it should be, and whose reasons stand in its own row."""


def rows(header: str) -> list[list[str]]:
    table = PAGE.split(header)[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def reasons(cell: str) -> set[str]:
    return set(re.findall(r"`([A-Z]\w+)`", cell))


CONDITIONS = {row[0].strip("`"): reasons(row[1]) for row in rows("| condition | reasons when")}
OTHERS = {row[0]: reasons(row[1]) for row in rows("| no condition of a consumer |")}


def test_every_condition_has_its_row_in_the_code_s_order() -> None:
    assert list(CONDITIONS) == [kind.value for kind in ConditionType]


def test_every_reason_is_in_the_tables_and_no_other() -> None:
    told = set().union(*CONDITIONS.values(), *OTHERS.values())
    assert told == {reason.value for reason in Reason}


def test_every_row_says_where_to_look() -> None:
    table = [*rows("| condition | reasons when"), *rows("| no condition of a consumer |")]
    assert all(row[2] for row in table)


@settings(deadline=None)
@given(worlds)
def test_a_reason_stands_in_the_row_of_the_condition_that_has_it(world: World) -> None:
    anywhere = set().union(*CONDITIONS.values())
    for _ in range(3):
        for found in world.step().status.conditions:
            kind = ConditionType(found.type)
            if found.status == BAD.get(kind):
                assert found.reason in CONDITIONS[kind], (kind, found.reason)
            if kind is ConditionType.READY and found.status == "False":
                assert found.reason in anywhere


def test_the_sizes_are_those_that_the_code_computes() -> None:
    table = rows("| events per second | filter |")
    assert len(table) == 3
    for rate, *told in table:
        number = int(rate.replace(",", ""))
        spec = consumer(filter__expectedRate=number).spec
        memory = pod_memory(spec, 12)
        sizes = (memory.filter, memory.exact, memory.needed, ledger_size(number, spec.ledger.ttl).bytes)
        assert told == [f"{size / 2**20:.1f} MiB" for size in sizes], rate
    assert spec.flow.max_bytes == 64 << 20


def test_certificates_last_as_long_as_it_says() -> None:
    assert f"made for {_SERVER_DAYS} days" in PAGE
    assert _AUTHORITY_DAYS == 3650
    assert "the authority's for ten years" in PAGE
