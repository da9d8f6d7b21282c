from dataclasses import replace

import pytest

from doublegate.consistency import Cause, Source
from doublegate.demo.own_writes import NEW_ADDRESS, Look, prove_own_write
from doublegate.demo.scene import FIRST_ADDRESS

BEFORE = Look(Source.PRIMARY, Cause.TIMEOUT, stored=FIRST_ADDRESS, shown=NEW_ADDRESS, pending=1)
AFTER = Look(Source.REPLICA, Cause.APPLIED, stored=NEW_ADDRESS, shown=NEW_ADDRESS, pending=0)


def broken(before=BEFORE, after=AFTER):
    return {one.name for one in prove_own_write(before, after) if not one.holds}


def test_two_sound_looks_prove_everything():
    assert broken() == set()


@pytest.mark.parametrize(
    "changes", [{"source": Source.REPLICA, "cause": Cause.APPLIED}, {"cause": Cause.AWAY}], ids=str
)
def test_a_pending_write_whose_reader_does_not_wait_for_it_is_named(changes):
    assert broken(before=replace(BEFORE, **changes)) == {"own_write_pending"}


@pytest.mark.parametrize(
    "changes", [{"shown": FIRST_ADDRESS}, {"stored": NEW_ADDRESS}, {"pending": 0}], ids=str
)
def test_an_overlay_that_does_not_show_the_write_on_a_stale_read_model_is_named(changes):
    assert broken(before=replace(BEFORE, **changes)) == {"own_write_shown"}


@pytest.mark.parametrize(
    "changes",
    [
        {"source": Source.PRIMARY, "cause": Cause.TIMEOUT},
        {"cause": Cause.NO_TOKEN},
        {"stored": FIRST_ADDRESS, "shown": FIRST_ADDRESS},
    ],
    ids=str,
)
def test_a_replica_without_the_write_is_named(changes):
    assert broken(after=replace(AFTER, **changes)) == {"own_write_applied"}


@pytest.mark.parametrize("changes", [{"pending": 1}, {"shown": FIRST_ADDRESS}], ids=str)
def test_an_overlay_that_does_not_let_go_is_named(changes):
    assert broken(after=replace(AFTER, **changes)) == {"own_write_let_go"}
