"""What a pod manages, whether more pods help, and which lag wakes a group."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doublegate.contract.consumer_status import ConsumerStatus, ScalingFigures
from doublegate_operator.core.capacity import Capacity, capacity
from doublegate_operator.core.facts import KafkaFacts
from doublegate_operator.core.pace import Pace, pace
from doublegate_operator.core.sleep import activation_lag
from doublegate_operator.core.status import stamp
from tests.unit.operator.keda_model import Scaler
from tests.unit.operator.world import NOW, World, consumer, object_of, pod, said

GUESS = 1000.0


def known(rate: float, minutes_ago: float = 0) -> ScalingFigures:
    at = stamp(NOW - timedelta(minutes=minutes_ago))
    return ScalingFigures(capacity_events_per_second=rate, capacity_at=at)


def showing(*figures: float) -> tuple[object, ...]:
    return tuple(pod(f"p-{n}", capacityEventsPerSecond=figure) for n, figure in enumerate(figures))


@pytest.mark.parametrize(
    ("former", "figures", "rate", "fresh"),
    [
        (None, (), GUESS, None),
        (None, (GUESS,), GUESS, None),  # pods report the guess until they measured
        (None, (GUESS, 20.0), 20.0, True),  # the first figure replaces it at once
        (ScalingFigures(capacity_events_per_second=GUESS), (5000.0,), 5000.0, True),
        (known(100, 5), (115.0,), 100.0, True),  # within 20%: as it was, and confirmed
        (known(100, 5), (85.0,), 100.0, True),
        (known(100, 5), (121.0,), 121.0, True),  # up at once
        (known(100, 1), (10.0,), 100.0, False),  # down slowly: not a step yet ...
        (known(100, 10), (10.0,), 50.0, True),  # ... half in ten minutes ...
        (known(100, 600), (10.0,), 10.0, True),  # ... and never below what is measured
        (known(100, 600), (), 100.0, True),  # nobody works, nothing fades
        (known(100, 5), (0.0, -1.0), 100.0, True),
        (known(100, 5), (90.0, 300.0, 5.0), 300.0, True),  # the best pod counts
    ],
)
def test_capacity(
    former: ScalingFigures | None, figures: tuple[float, ...], rate: float, fresh: bool
) -> None:
    made = capacity(former, showing(*figures), GUESS, NOW)
    assert made.rate == pytest.approx(rate)
    assert (made.at == stamp(NOW)) == bool(fresh)


def test_pods_that_are_not_ready_show_nothing() -> None:
    unready = (pod(ready=False, capacityEventsPerSecond=9.0),)
    assert capacity(known(100, 5), unready, GUESS, NOW) == Capacity(100.0, stamp(NOW))


@given(
    st.lists(st.floats(0.1, 1e5), min_size=1, max_size=30),
    st.floats(0.1, 1e5),
    st.integers(1, 600),
)
def test_capacity_stays_between_what_was_seen(figures: list[float], first: float, seconds: int) -> None:
    former, now = known(first), NOW
    seen = [first]
    for figure in figures:
        now += timedelta(seconds=seconds)
        seen.append(figure)
        made = capacity(former, showing(figure), GUESS, now)
        assert min(seen) * 0.999 <= made.rate <= max(seen)
        assert made.rate >= figure / 1.2001  # never far below what a pod does now
        old = former.capacity_events_per_second or 0
        assert made.rate == old or not old * 0.8 < made.rate < old  # a step down is more than 20%
        former = ScalingFigures(capacity_events_per_second=made.rate, capacity_at=made.at)


@dataclass
class Group:
    """A group at work: what it finishes follows its pods, or the far side when that is slower.

    Attributes:
        arrivals: events per second.
        each: what a pod manages when nothing else is the limit.
        far_side: events per second that the far side bears in all.
    """

    arrivals: float
    each: float
    far_side: float
    partitions: int = 12
    drain: str = "30s"
    lag: float = 0.0
    committed: float = 0.0
    world: World = field(init=False)
    seen: list[int] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.world = World(
            resource=consumer(
                kafka__partitions=self.partitions, scaling__initialRate=99, scaling__targetDrain=self.drain
            )
        )
        self.world.settle()
        self.world.committed = 0

    def run(self, seconds: int) -> None:
        """The autoscaler looks every 15 s, the operator every 30 s."""
        for second in range(0, seconds, 5):
            pods = self.world.replicas
            able = min(pods * self.each, self.far_side)
            done = min(able * 5, self.lag + self.arrivals * 5)
            self.lag += self.arrivals * 5 - done
            self.committed += done
            self.world.lag, self.world.committed = int(self.lag), int(self.committed)
            self.world.capacity = able / pods  # pods that wait for the far side show less
            self.world.now += timedelta(seconds=5)
            if second % 30 == 0:
                self.world.step()
                self.reasons.add(self.reason)
            if second % 15 == 0:
                scaler = Scaler.of(self.world.objects["ScaledObject", "payments"])
                self.world.replicas = scaler.next(int(self.lag), self.partitions, pods)
            self.seen.append(self.world.replicas)

    @property
    def reason(self) -> str:
        assert self.world.status is not None
        assert self.world.status.scaling is not None
        return self.world.status.scaling.reason or ""


def test_more_load_gets_more_pods() -> None:
    group = Group(arrivals=450, each=100, far_side=1e9)
    group.run(900)
    assert "FrozenDownstream" not in group.reasons
    assert max(group.seen) >= 5
    assert group.lag <= 5 * 100 * 30


def test_a_slow_far_side_does_not_scale_the_group_out() -> None:
    group = Group(arrivals=90, each=100, far_side=1e9)
    group.run(300)
    assert group.world.replicas == 1
    group.far_side = 40  # now even one pod is too many
    group.run(3600)
    assert group.reason == "FrozenDownstream"
    assert max(group.seen) <= 3  # the lag grows for an hour, and it stays at a try or two
    assert said(group.world.step(), "ScalingReady") == ("True", "FrozenDownstream")
    # It recovers: the rate rises, and the freeze ends.
    group.far_side = 1e9
    group.run(600)
    assert group.reason == "ByLag"
    group.run(7200)
    assert group.lag < 100 * 30


def test_the_slow_far_side_would_do_it_without_the_freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doublegate_operator.core.scaling._freeze", lambda *_: None)
    group = Group(arrivals=90, each=100, far_side=1e9)
    group.run(300)
    group.far_side = 40
    group.run(3600)
    assert group.world.replicas == 12


def test_a_freeze_keeps_its_number_when_a_pod_dies() -> None:
    world = World(replicas=4, lag=10**6, pod_status={"paused": ["ledger"]})
    assert object_of(world.settle(), "ScaledObject")["spec"]["maxReplicaCount"] == 4
    world.ready = 1
    world.replicas = 3
    made = world.step(seconds=60)
    assert object_of(made, "ScaledObject")["spec"]["maxReplicaCount"] == 4
    assert made.status.scaling is not None
    assert made.status.scaling.reason == "FrozenLedger"
    world.pod_status = {}
    assert object_of(world.step(), "ScaledObject")["spec"]["maxReplicaCount"] == 12


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 500), st.integers(0, 10**6)), max_size=12))
def test_a_frozen_maximum_never_grows_and_never_leaves_its_bounds(looks: list[tuple[int, int, int]]) -> None:
    world = World(resource=consumer(kafka__partitions=6, scaling__minReplicas=2))
    world.settle()
    world.committed, frozen = 0, None
    for replicas, done, lag in looks:
        world.replicas, world.lag = replicas, lag
        world.committed += done
        made = world.step(seconds=30)
        figures = made.status.scaling
        assert figures is not None
        assert figures.max_replicas is not None
        assert 2 <= figures.max_replicas <= 6
        if figures.reason == "FrozenDownstream":
            assert frozen is None or figures.max_replicas == frozen
            frozen = figures.max_replicas
        else:
            frozen = None
            assert figures.max_replicas == 6


def judged(
    steady: tuple[int, float] | None,
    pods: tuple[int, int],
    rate: float,
    *,
    frozen: bool = False,
    lag: int = 10**6,
) -> tuple[int | None, float | None, bool]:
    """What a span of 30 s says, with pods of a capacity of 100."""
    former = ConsumerStatus(
        scaling=ScalingFigures(
            reason="FrozenDownstream" if frozen else "ByLag",
            committed=1000,
            observed_at=stamp(NOW - timedelta(seconds=30)),
            fewest_replicas=pods[0],
            most_replicas=pods[1],
            steady_replicas=steady[0] if steady else None,
            steady_rate=steady[1] if steady else None,
        )
    )
    kafka = KafkaFacts({}, 1, lag, 1000 + int(rate * 30))
    made = pace(former, kafka, pods[1], 100.0, 30.0, NOW)
    assert made.measured
    assert made.rate == pytest.approx(rate)
    return made.steady_replicas, made.steady_rate, made.flat


@pytest.mark.parametrize(
    ("steady", "pods", "rate", "after"),
    [
        (None, (1, 3), 50, (3, 50, False)),  # the first is a basis, of the most pods
        ((2, 100), (2, 2), 60, (2, 60, False)),  # as many: the basis is what they do now
        ((4, 100), (1, 2), 60, (2, 60, False)),  # fewer
        ((2, 100), (2, 6), 40, (2, 100, False)),  # more for a part of the span only
        ((2, 100), (4, 4), 110, (2, 100, True)),  # twice the pods, 10% more
        ((2, 100), (4, 4), 124, (2, 100, True)),  # a quarter of what they would bring is 125 ...
        ((2, 100), (4, 4), 126, (4, 126, False)),
        ((1, 100), (2, 2), 140, (2, 140, False)),  # each is at 70% of its capacity
        ((4, 390), (5, 5), 400, (5, 400, False)),  # flat, but nobody waits for the far side
        ((2, 0), (4, 4), 0, (2, 0, True)),  # nothing moves
    ],
)
def test_when_more_pods_are_no_help(
    steady: tuple[int, float] | None, pods: tuple[int, int], rate: float, after: tuple[int, float, bool]
) -> None:
    assert judged(steady, pods, rate) == after


@pytest.mark.parametrize(
    ("pods", "rate", "after"),
    [
        ((4, 4), 120, (2, 100, True)),
        ((4, 4), 130, (4, 130, False)),  # it rises: thaw
        ((2, 2), 105, (2, 100, True)),  # a pod less is no reason, nor is noise
        ((1, 1), 112, (1, 112, False)),
    ],
)
def test_when_a_freeze_ends(pods: tuple[int, int], rate: float, after: tuple[int, float, bool]) -> None:
    assert judged((2, 100), pods, rate, frozen=True) == after


@pytest.mark.parametrize("frozen", [True, False])
def test_without_a_backlog_a_rate_says_nothing(frozen: bool) -> None:
    assert judged((2, 100), (4, 4), 50, lag=500, frozen=frozen) == (None, None, False)
    assert judged((2, 100), (4, 4), 50, lag=501, frozen=True)[2]


def test_a_span_is_long_enough_and_counts_all_its_pods() -> None:
    begun = ScalingFigures(
        committed=5, observed_at=stamp(NOW), observed_rate=3.0, fewest_replicas=2, most_replicas=2
    )
    former = ConsumerStatus(scaling=begun)
    kafka = KafkaFacts({}, 1, 10, 900)
    early = pace(former, kafka, 4, 100.0, 30.0, NOW + timedelta(seconds=19))
    assert (early.rate, early.committed, early.at) == (3.0, 5, stamp(NOW))
    assert (early.fewest, early.most, early.measured) == (2, 4, False)
    whole = pace(former, kafka, 1, 100.0, 30.0, NOW + timedelta(seconds=20))
    assert (whole.rate, whole.committed, whole.fewest, whole.most) == (895 / 20, 900, 1, 1)
    back = pace(former, KafkaFacts({}, 1, 10, 4), 1, 100.0, 30.0, NOW + timedelta(seconds=60))
    assert (back.committed, back.measured) == (4, False)  # offsets were set back: a new span


STILL = Pace(rate=0.0, measured=True)


def asleep(lag: int, known_lag: int | None = None) -> ConsumerStatus:
    return ConsumerStatus(lag=lag, scaling=ScalingFigures(activation_lag=known_lag))


@pytest.mark.parametrize(
    ("former", "lag", "pods", "speed", "wakes_above"),
    [
        (None, 5, (), Pace(), 0),
        (asleep(3), 3, (pod(),), STILL, 3),  # idle pods and a lag that stays: markers
        (asleep(3), 3, (), STILL, 0),  # nobody looked at it
        (asleep(3), 3, (pod(held=1),), STILL, 0),
        (asleep(3), 3, (pod(inFlight=1),), STILL, 0),
        (asleep(3), 3, (pod(paused=["breaker"]),), STILL, 0),
        (asleep(3), 3, (pod(ready=False),), STILL, 0),
        (asleep(2), 3, (pod(),), STILL, 0),  # it came just now
        (asleep(3), 3, (pod(),), Pace(rate=0.1, measured=True), 0),
        (asleep(3), 3, (pod(),), Pace(rate=0.0), 0),  # no whole span yet
        (asleep(7), 7, (pod(),), STILL, 0),  # more than one for each of 6 partitions: no markers
        (asleep(3, 3), 9, (), Pace(), 3),  # asleep: as it was ...
        (asleep(3, 3), 1, (), Pace(), 1),  # ... and never more than there is
        (asleep(0, 3), 0, (pod(),), STILL, 0),
    ],
)
def test_what_wakes_a_group(
    former: ConsumerStatus | None, lag: int, pods: tuple[object, ...], speed: Pace, wakes_above: int
) -> None:
    assert activation_lag(former, KafkaFacts({}, 1, lag), pods, speed, 6) == wakes_above


def test_a_single_event_wakes_a_new_group() -> None:
    made = World(resource=consumer(scaling__minReplicas=0)).settle()
    assert object_of(made, "ScaledObject")["spec"]["triggers"][0]["metadata"]["activationLagThreshold"] == "0"


def test_markers_do_not_keep_it_awake() -> None:
    world = World(resource=consumer(scaling__minReplicas=0), lag=4, committed=100)
    world.settle()
    made = [world.step(seconds=30) for _ in range(3)][-1]
    trigger = object_of(made, "ScaledObject")["spec"]["triggers"][0]["metadata"]
    assert trigger["activationLagThreshold"] == "4"
