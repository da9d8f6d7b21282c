"""What the API server shall refuse, the models refuse too, and name the field."""

from __future__ import annotations

import pytest

from doublegate.contract.errors import InvalidConsumer, InvalidReplay
from doublegate.contract.replay_resource import load_replay, parse_replay
from doublegate.contract.resource import load_consumer, parse_consumer
from doublegate.contract.support import refuse_unsupported
from tests import bad_resources as resources


@pytest.mark.parametrize("change", resources.GOOD, ids=str)
def test_a_good_consumer_is_taken(change: resources.Object) -> None:
    parse_consumer(resources.consumer(**change))


@pytest.mark.parametrize("bad", [*resources.CONSUMERS, *resources.SHAPES], ids=lambda bad: bad.name)
def test_a_bad_consumer_is_refused(bad: resources.Bad) -> None:
    parse_consumer(resources.consumer())
    with pytest.raises(InvalidConsumer) as refused:
        parse_consumer(resources.consumer(**bad.change))
    assert any(problem.path.startswith(bad.field) for problem in refused.value.problems), refused.value


@pytest.mark.parametrize("bad", resources.REPLAYS, ids=lambda bad: bad.name)
def test_a_bad_replay_is_refused(bad: resources.Bad) -> None:
    parse_replay(resources.replay())
    with pytest.raises(InvalidReplay) as refused:
        parse_replay(resources.replay(**bad.change))
    assert any(problem.path.startswith(bad.field) for problem in refused.value.problems), refused.value


def test_the_examples_are_good() -> None:
    refuse_unsupported(load_consumer("examples/payments.yaml").spec)
    replay = load_replay("examples/payments-replay.yaml")
    assert replay.spec.consumer_ref.name == "payments"
    assert replay.spec.selector.reasons == ["failed"]
