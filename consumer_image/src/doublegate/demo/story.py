"""Runs the demo: scene, processes, crash, records, proof, repair, replay, proof; then the features' parts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from doublegate.contract.deadletter import DeadLetterReason
from doublegate.contract.identity import header_reader
from doublegate.deadletters.replay import Replay, ReplayReport
from doublegate.deadletters.selection import Selection
from doublegate.demo.cast import OBSERVER, Cast
from doublegate.demo.follow import Follower
from doublegate.demo.own_writes import show_own_write
from doublegate.demo.processes import Children
from doublegate.demo.proof import Records, prove, prove_replayed
from doublegate.demo.publish import plan_of
from doublegate.demo.records import far_side, read_records
from doublegate.demo.report import Rates, Report
from doublegate.demo.scene import Scene, set_scene
from doublegate.demo.schema_change import show_schema_changes
from doublegate.demo.slowdown import show_slowdown
from doublegate.demo.traces import find_trace
from doublegate.local.model import Service
from doublegate.local.stack import Stack

if TYPE_CHECKING:
    from doublegate.demo.plan import Plan
    from doublegate.demo.proof import Invariant
    from doublegate.demo.settings import Settings
    from doublegate.demo.view import View
    from doublegate.demo.watch import Progress

__all__ = ["tell"]

VICTIM = "consumer-1"
REPLAY_ID = "demo"


def tell(settings: Settings, view: View) -> Report:
    """Run the demo; everything that it starts has ended when it returns or raises.

    Raises:
        DemoError: Something died or took too long; the message names it and its log.
        LocalStackError: A server did not come up.
    """
    began = time.monotonic()
    services = [service for service in Service if settings.traces or service is not Service.JAEGER]
    view.step(f"starting {', '.join(services)} in {settings.home}")
    with ThreadPoolExecutor(1) as aside:
        planning = aside.submit(plan_of, settings.events, settings.seed, settings.shares)
        with (
            Stack(settings.home / "stack", services, lambda line: view.step(f"  {line}")) as stack,
            Children(settings.logs) as children,
        ):
            scene = set_scene(settings, stack.endpoints)
            view.step("topics, schema and tables are there; starting the far side and three consumers")
            cast = Cast(settings, scene, children)
            cast.start_publisher()
            cast.start_far_side()
            cast.start_consumers()
            view.step("partitions: " + ", ".join(f"{name} {count}" for name, count in cast.shares().items()))
            _, plan = planning.result()
            view.step(
                f"{len(plan.sends):,} events of {len(plan.unique_ids):,} flights; injected: {_injected(plan)}"
            )
            follower = Follower(
                scene,
                cast,
                children,
                stack.status,
                view,
                planned=len(plan.sends),
                ends=time.monotonic() + settings.deadline,
            )
            return _Story(
                settings=settings,
                view=view,
                plan=plan,
                scene=scene,
                cast=cast,
                children=children,
                follower=follower,
                began=began,
            ).tell()


class _Story:
    """The part that happens while everything runs."""

    def __init__(
        self,
        *,
        settings: Settings,
        view: View,
        plan: Plan,
        scene: Scene,
        cast: Cast,
        children: Children,
        follower: Follower,
        began: float,
    ) -> None:
        self._settings, self._view, self._plan, self._scene = settings, view, plan, scene
        self._cast, self._children = cast, children
        self._follower, self._began = follower, began

    def tell(self) -> Report:
        """From the first event to the last proof."""
        self._cast.send()
        self._view.step(f"sending; first results {time.monotonic() - self._began:.0f} s after the start")
        self._crash()
        self._follower.until("the end of the events", self._drained)
        finished = time.monotonic() - self._follower.began
        published = self._cast.published()
        self._follower.until("the observer's end", lambda now: now.lag == 0, observer=True)
        first = self._records(order=True)
        replay, last = self._repair()
        proven = [
            *prove(self._plan, first, self._settings.shares.calls),
            *prove_replayed(self._plan, first, last, self._settings.shares.calls),
            *self._features(),
        ]
        self._cast.scrape()
        return Report(
            settings=self._settings,
            plan=self._plan,
            first=first,
            last=last,
            proven=proven,
            counts=self._cast.counts(),
            observed=self._cast.consumers[OBSERVER].counts,
            far_side=far_side(self._cast.far_side_url, "summary"),
            replay=replay,
            rates=Rates(
                produced=published["sent"] / max(published["seconds"], 0.001),
                finished=len(self._plan.sends) / finished,
                peak=self._follower.peak,
                effects=sum(first.rows.values()) / finished,
                seconds=time.monotonic() - self._began,
            ),
            trace=find_trace(self._scene, first),
        )

    def _crash(self) -> None:
        wanted = int(len(self._plan.sends) * self._settings.kill_after)
        self._follower.until("the first events", lambda now: now.done >= wanted)
        victim = self._cast.consumers[VICTIM]
        victim.scrape()
        victim.child.kill()
        self._view.step(
            f"killed {VICTIM} (pid {victim.child.pid}) with SIGKILL; its partitions move to the other one"
        )

    def _features(self) -> list[Invariant]:
        settings, scene, view = self._settings, self._scene, self._view
        return [
            *show_own_write(scene, view, self._cast.start_orders),  # first: it needs the consumer stopped
            *show_slowdown(settings, scene, view, self._children),
            *show_schema_changes(settings, scene, view),
        ]

    def _drained(self, now: Progress) -> bool:
        return bool(self._cast.published()["finished"]) and now.lag == 0

    def _records(self, *, order: bool) -> Records:
        self._view.step("reading the far side, the database and the dead letters")
        return read_records(self._scene, self._cast.far_side_url, order=order)

    def _repair(self) -> tuple[ReplayReport, Records]:
        self._settings.repaired.touch()
        spec = self._scene.flights.spec
        reasons = frozenset({DeadLetterReason.FAILED, DeadLetterReason.UNKNOWN_OUTCOME})
        job = Replay(
            config=self._scene.kafka,
            dlq=spec.dlq_topic,
            group=spec.kafka.group,
            identity=spec.identity,
            read_id=header_reader(spec.identity),
            selection=Selection(reasons=reasons, accept_unknown=True),  # inbox and key stand a second try
            replay_id=REPLAY_ID,
        )
        report = job.run()
        self._view.step(f"repaired the handler and replayed {report.replayed} dead letters")
        self._follower.until("the end of the replay", lambda now: now.lag == 0)
        return report, self._records(order=False)


def _injected(plan: Plan) -> str:
    counts = {
        **{f"{copy.value} copies": count for copy, count in plan.copies.items() if copy.value != "first"},
        "poison": len(plan.poison),
        "unreadable": len(plan.broken),
        "without an id": plan.nameless,
        "failing": len(plan.failing),
    }
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
