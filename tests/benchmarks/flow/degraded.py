"""Whether the claims about a downstream that degrades hold; pure, as `verdicts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doublegate.contract.states import PauseCause
from tests.benchmarks.flow.verdicts import Verdict

if TYPE_CHECKING:
    from tests.benchmarks.flow.samples import Samples

__all__ = ["comes_back", "letters", "lowers", "pauses", "rebounds", "resumes"]

LOWERED = 0.5
RAISED = 0.75
GROWN = 1.25
"""Times the backlog at which the breaker closed: while the concurrency grows anew it may grow a little."""
TRICKLE = 0.1
"""Calls through an open breaker, as a share of those before: single probes."""


def lowers(before: Samples, slow: Samples) -> Verdict:
    """The limit falls to half or less by itself."""
    usual = before.slow_group[-1].concurrency
    least = min(one.concurrency for one in slow.slow_group)
    return Verdict(
        "latency x 10 lowers the concurrency",
        f"to {LOWERED:.0%} or less",
        f"from {usual} to {least}",
        least <= LOWERED * usual,
    )


def comes_back(before: Samples, healed: Samples) -> Verdict:
    """It comes back when the downstream does."""
    usual = before.slow_group[-1].concurrency
    low, most = healed.slow_group[0].concurrency, max(one.concurrency for one in healed.slow_group)
    return Verdict(
        "and it recovers",
        f"from less to {RAISED:.0%} or more of {usual}",
        f"from {low} to {most}",
        low < most and most >= RAISED * usual,
    )


def pauses(before: Samples, failing: Samples) -> Verdict:
    """The breaker opens, and what still goes through is a trickle."""
    opened = [n for n, one in enumerate(failing.slow_group) if PauseCause.BREAKER in one.paused]
    claim, wanted = "errors open the breaker, which pauses", f"{TRICKLE:.0%} or less of the calls before"
    if len(opened) < 2:
        return Verdict(claim, wanted, "it was not seen open", holds=False)
    first, last = failing.all[opened[0]], failing.all[opened[-1]]
    calls = (last.calls - first.calls) / (last.at - first.at)
    usual = before.rate(lambda one: one.calls)
    return Verdict(
        claim, wanted, f"{calls:.1f}/s while it is open, {usual:.0f}/s before", calls <= TRICKLE * usual
    )


def letters(failing: Samples, attempts: int) -> Verdict:
    """A dead letter has cost every attempt that the policy allows."""
    failed = failing.grown(lambda one: one.failed)
    written = failing.slow_group[-1].letters - failing.slow_group[0].letters
    most = int(failed) // attempts
    return Verdict(
        "no dead letter beyond those that the retries allow",
        f"at most {most} for {failed:,.0f} failed calls, {attempts} attempts each",
        f"{written}",
        failed > 0 and written <= most,
    )


def rebounds(mended: Samples) -> Verdict:
    """Once the breaker has closed the group works again, so that the backlog does not grow on."""
    claim, wanted = "after the errors it works again at once", f"a backlog of {GROWN:g} x at most"
    closed = [one.behind for one in mended.slow_group if PauseCause.BREAKER not in one.paused]
    if not closed:
        return Verdict(claim, wanted, "the breaker stayed open", holds=False)
    growth = max(closed) / max(1, closed[0])
    return Verdict(claim, wanted, f"{growth:.2f} x, {max(closed):,} events", growth <= GROWN)


def resumes(mended: Samples, rate: float) -> Verdict:
    """In the end nothing is paused, and a second's worth at rest is behind at most."""
    first, last = mended.slow_group[0], mended.slow_group[-1]
    return Verdict(
        "the breaker closes again, the backlog drains",
        f"not paused, {rate:,.0f} behind at most",
        f"{'paused' if last.paused else 'not paused'}, from {first.behind:,} to {last.behind:,}",
        not last.paused and last.behind <= rate and last.done > first.done,
    )
