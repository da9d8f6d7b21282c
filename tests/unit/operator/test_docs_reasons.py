"""The operator's page has a row for every reason and every condition, and says what to do at each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doublegate_operator.core.reasons import ConditionType, Reason

PAGE = (Path(__file__).parents[3] / "docs" / "operator.md").read_text()


def rows(header: str) -> dict[str, list[str]]:
    """A table's rows by their first cell."""
    table = PAGE.split(header)[1].split("\n\n")[0]
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if name := re.fullmatch(r"`(\w+)`", cells[0]):
            assert name[1] not in found, "told twice"
            found[name[1]] = cells[1:]
    return found


@pytest.mark.parametrize(
    ("header", "kind"),
    [("| reason | what it means |", Reason), ("| condition | True means |", ConditionType)],
)
def test_every_one_has_its_row_in_the_code_s_order(header: str, kind: type[Reason | ConditionType]) -> None:
    assert list(rows(header)) == [str(one.value) for one in kind]


def test_every_reason_says_what_to_do() -> None:
    lacking = [
        name
        for name, (meaning, advice) in rows("| reason | what it means |").items()
        if not (meaning and advice)
    ]
    assert lacking == []
