"""Carries a plan out on real servers, and notes a sample a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from tests.benchmarks.events import create_topic
from tests.benchmarks.flow.groups import SLOW, Groups, cpu_seconds
from tests.benchmarks.flow.load import Load
from tests.benchmarks.flow.samples import Sample, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from doublegate.demo.processes import Children
    from doublegate.local.stack import Stack
    from tests.benchmarks.flow.plan import Plan

__all__ = ["measure"]

TOPIC = "bench-flow"
INTERVAL = 1.0


def measure(stack: Stack, plan: Plan, children: Children, home: Path, say: Callable[[str], None]) -> Samples:
    """Start the consumers, go through the phases.

    Args:
        stack: the servers.
        plan: what to do.
        children: ends the processes.
        home: for files.
        say: told of each phase.
    """
    ends = stack.endpoints
    servers = {one.service.value: psutil.Process(one.pid) for one in stack.status() if one.pid}
    create_topic(str(ends.bootstrap_servers), TOPIC)
    say(f"{plan.groups} groups, a process each")
    groups = Groups(children, home, ends, TOPIC, plan)
    samples: list[Sample] = []
    began = time.monotonic()
    with Load(str(ends.bootstrap_servers), TOPIC) as load:
        for phase in plan.phases:
            say(f"{phase.name}: {phase.title}, {phase.rate:,.0f}/s offered")
            entered = time.monotonic()
            groups.far(phase.far)
            load.enter(phase)
            while True:
                samples.append(_sample(groups, load, servers, phase.name, began))
                drained = all(group.behind <= phase.rate for group in samples[-1].groups.values())
                if phase.over(time.monotonic() - entered, drained=drained):
                    break
                children.check()
                time.sleep(max(0.0, INTERVAL - (time.monotonic() - began - samples[-1].at)))
    return Samples(samples, SLOW)


def _sample(
    groups: Groups, load: Load, servers: Mapping[str, psutil.Process], phase: str, began: float
) -> Sample:
    at, sent, said = time.monotonic() - began, load.sent, load.suggestion()
    figures = groups.figures()
    return Sample(
        at=at,
        phase=phase,
        offered=sent.offered,
        written=sent.written,
        suggested=None if said is None else said.rate,
        slowest=None if said is None else said.group,
        groups={name: groups.sample(name, sent.written) for name in groups.names},
        servers={name: cpu_seconds(process) for name, process in servers.items()},
        **figures,
    )
