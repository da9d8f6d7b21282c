"""The claims of the benchmark over a whole run, in the order in which they are said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.flow import degraded, verdicts
from tests.benchmarks.flow.groups import ATTEMPTS, BOUND, MAX_IN_FLIGHT

if TYPE_CHECKING:
    from tests.benchmarks.flow.plan import Plan
    from tests.benchmarks.flow.samples import Samples
    from tests.benchmarks.flow.verdicts import Verdict

__all__ = ["judge"]


def judge(run: Samples, plan: Plan) -> list[Verdict]:
    """All of them."""
    spike, followed = run.of("spike"), run.of("followed", "recovery")
    failing = run.of("failing", "mended")
    return [
        verdicts.bounded(run, BOUND),
        verdicts.absorbs(spike, MAX_IN_FLIGHT),
        verdicts.not_slowed(spike, "the other groups are not slowed by it"),
        verdicts.flat(run.of("warm", "rest"), run),
        verdicts.drains(run.of("drain"), plan.rate, 2 * MAX_IN_FLIGHT),
        verdicts.slows(run.of("followed")),
        verdicts.steady(followed),
        verdicts.recovers(run.of("free")),
        degraded.lowers(run.of("free"), run.of("slow")),
        degraded.comes_back(run.of("free"), run.of("healed")),
        verdicts.not_slowed(run.of("slow"), "nor are the others by the slow downstream"),
        degraded.pauses(run.of("healed"), run.of("failing")),
        degraded.letters(failing, ATTEMPTS),
        degraded.rebounds(run.of("mended")),
        degraded.resumes(run.of("mended"), plan.rate),
    ]
