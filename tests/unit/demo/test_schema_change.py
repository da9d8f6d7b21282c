import sys
from dataclasses import replace
from importlib import import_module

import pytest

from doublegate.demo.schema_change import REMOVED, Proposal, prove_schema_changes
from doublegate.demo.settings import examples_directory
from doublegate.evolution import Declaration, Finding

RULE = Finding("field-without-default", REMOVED, "registry version 1", "so it is", "do this")
READER = Finding(
    "consumer-broken", REMOVED, "consumer flights (model flights:perform)", "so it is", "do this"
)
BROKEN = Proposal((RULE, READER), refusal="no", versions=(1,))
GROWN = Proposal((), refusal="", versions=(1, 2))


def broken(first=BROKEN, second=GROWN):
    return {one.name for one in prove_schema_changes(first, second, "flights") if not one.holds}


def test_a_refused_and_a_passed_change_prove_everything():
    assert broken() == set()


@pytest.mark.parametrize(
    "findings",
    [
        (),
        (RULE,),
        (READER,),
        (RULE, replace(READER, against="consumer flights-observer (model observer:watch)")),
        (replace(RULE, path="tail"), READER),
    ],
)
def test_a_break_without_its_rule_its_field_or_its_consumer_is_named(findings):
    assert broken(first=replace(BROKEN, findings=findings)) == {"schema_break_found"}


@pytest.mark.parametrize("changes", [{"refusal": ""}, {"versions": (1, 2)}], ids=str)
def test_a_registry_that_takes_the_break_is_named(changes):
    assert broken(first=replace(BROKEN, **changes)) == {"schema_break_refused"}


@pytest.mark.parametrize("changes", [{"findings": (RULE,)}, {"refusal": "no"}, {"versions": (1,)}], ids=str)
def test_a_sound_change_that_does_not_pass_is_named(changes):
    assert broken(second=replace(GROWN, **changes)) == {"schema_growth_passes"}


def test_the_declaration_is_what_the_handlers_model_reads(monkeypatch):
    monkeypatch.syspath_prepend(str(examples_directory()))
    monkeypatch.delitem(sys.modules, "flights", raising=False)
    declared = Declaration.of("flights", "flights-value", "flights:perform", import_module("flights").Flight)
    assert (examples_directory() / "flights.fields.json").read_text() == declared.text()
