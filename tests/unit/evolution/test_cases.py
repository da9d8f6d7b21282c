"""Our judges against the table of changes."""

from __future__ import annotations

from functools import cache

import pytest

from doublegate.contract.kafka_spec import Compatibility
from doublegate.evolution import Finding, Format, Schema, Version, compare, read_schema
from tests.schema_cases import CASES, Case

EXPECTED = {
    Compatibility.BACKWARD: lambda case: case.backward,
    Compatibility.FORWARD: lambda case: case.forward,
    Compatibility.FULL: lambda case: case.backward and case.forward,
    Compatibility.NONE: lambda _: True,
}


@cache
def parsed(text: str, kind: Format) -> Schema:
    return read_schema(text, kind, "the case")


def findings(case: Case, level: Compatibility) -> list[Finding]:
    old, new = (parsed(text, case.format) for text in (case.old, case.new))
    return compare(new, [Version("commit 1a2b3c4", old)], level)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_change_is_judged_as_the_rules_say(case: Case) -> None:
    for level, expected in EXPECTED.items():
        found = findings(case, level)
        assert (not found) == expected(case), (level, case.why, found)
    full = findings(case, Compatibility.FULL)
    if full:
        assert case.path in {finding.path for finding in full}
    for finding in full:
        assert finding.against == "commit 1a2b3c4"
        assert finding.what
        assert finding.advice
        assert "{" not in f"{finding.what}{finding.advice}".replace("`{}`", "")
