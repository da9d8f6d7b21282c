"""DeadLetterReplay: what it takes, from a file and from the API server, and what it says when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.errors import InvalidReplay
from doublegate.contract.replay_resource import Phase, ReplayStatus, load_replay, parse_replay
from tests import bad_resources as resources

if TYPE_CHECKING:
    from pathlib import Path


def test_all_of_a_replay() -> None:
    spec = parse_replay(
        resources.replay(
            selector={
                "reasons": ["failed", "poison"],
                "ids": ["a", "b"],
                "failedAfter": "2026-03-01T00:00:00Z",
                "failedBefore": "2026-03-01T02:00:00+01:00",
            },
            dryRun=True,
            rate=0.5,
            maxEvents=10,
            acceptUnknown=True,
            acceptConflicts=True,
        )
    ).spec
    assert spec.selector.reasons == [DeadLetterReason.FAILED, DeadLetterReason.POISON]
    assert spec.selector.ids == ["a", "b"]
    assert spec.selector.failed_before == datetime(2026, 3, 1, 1, tzinfo=UTC)
    assert (spec.dry_run, spec.rate, spec.max_events) == (True, 0.5, 10)
    assert spec.accept_unknown
    assert spec.accept_conflicts


def test_the_least_of_a_replay_selects_all_and_accepts_no_risk() -> None:
    spec = parse_replay(resources.replay()).spec
    selector = spec.selector
    assert (selector.reasons, selector.ids, selector.failed_after, selector.failed_before) == (
        [],
        [],
        None,
        None,
    )
    assert (spec.dry_run, spec.rate, spec.max_events) == (False, None, None)
    assert not spec.accept_unknown
    assert not spec.accept_conflicts


def test_the_times_may_be_a_millisecond_apart_and_not_the_same() -> None:
    first, last = "2026-03-01T00:00:00Z", "2026-03-01T00:00:00.001Z"
    parse_replay(resources.replay(selector={"failedAfter": first, "failedBefore": last}))
    with pytest.raises(InvalidReplay) as refused:
        parse_replay(resources.replay(selector={"failedAfter": first, "failedBefore": first}))
    assert str(refused.value) == (
        f"resource: spec.selector.failedBefore: given {first}; allowed: later than failedAfter ({first})"
    )


def test_times_in_a_file_need_no_quotes(tmp_path: Path) -> None:
    path = tmp_path / "replay.yaml"
    path.write_text(
        "apiVersion: doublegate.dev/v1alpha1\nkind: DeadLetterReplay\nmetadata: {name: again}\n"
        "spec:\n  consumerRef: {name: payments}\n  selector:\n    failedAfter: 2026-03-01T00:00:00Z\n"
    )
    assert load_replay(path).spec.selector.failed_after == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidReplay, match=r"none\.yaml: cannot be read"):
        load_replay(tmp_path / "none.yaml")


def test_every_problem_is_told() -> None:
    with pytest.raises(InvalidReplay) as refused:
        parse_replay(resources.replay(rate=-1, maxEvents=0, consumerRef={"name": "No"}, more=1))
    paths = {problem.path for problem in refused.value.problems}
    assert paths == {"spec.rate", "spec.maxEvents", "spec.consumerRef.name", "spec.more"}


def test_another_kind_is_refused() -> None:
    with pytest.raises(InvalidReplay, match="kind"):
        parse_replay(resources.consumer())


def test_what_the_api_server_gives_is_read() -> None:
    given = resources.replay() | {"status": {"phase": "Complete"}}
    given["metadata"] |= {"uid": "x", "generation": 1, "managedFields": [{}]}
    assert parse_replay(given).metadata.name == "again"


def test_a_status_is_written_in_camel_case_without_what_is_not_known() -> None:
    status = ReplayStatus(phase=Phase.RUNNING, failed_again=2, skipped={"unknown_outcome": 3})
    assert status.model_dump(mode="json", by_alias=True, exclude_none=True) == {
        "conditions": [],
        "phase": "Running",
        "failedAgain": 2,
        "skipped": {"unknown_outcome": 3},
    }
