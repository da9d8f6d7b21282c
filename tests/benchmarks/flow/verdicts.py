"""Whether each claim holds in a run's samples; pure. Shares and ratios within the run, no absolute times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.benchmarks.flow.turns import turns

if TYPE_CHECKING:
    from tests.benchmarks.flow.samples import Samples

__all__ = ["Verdict", "absorbs", "bounded", "drains", "flat", "not_slowed", "recovers", "slows", "steady"]

MIB = 1 << 20
KEPT_UP = 0.95
"""Of what was written, by the end of a spike: the rest came in its last second."""
LEFT_BEHIND = 0.8
"""Below it a group is a slow one; without such a one there was nothing to be slowed by."""
FLAT = 1.1
RIPPLE = 0.25
"""Of the highest: less is the noise of what is measured each second."""
FIRST_SECONDS = 5.0
"""Of a flood: the first word is a second or two late, and the bucket's rate follows it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One claim.

    Attributes:
        claim: in words.
        wanted: the bound in words.
        figure: what was found.
        holds: whether it is within.
    """

    claim: str
    wanted: str
    figure: str
    holds: bool


def bounded(run: Samples, bound: int) -> Verdict:
    """The downstream never has more calls than the group's concurrency; it was pressed at all."""
    peak = max(one.peak for one in run.all)
    return Verdict(
        "the slow downstream never sees more than its bound",
        f"{bound / 2:.0f} to {bound} calls at once",
        f"{peak} at most",
        bound / 2 <= peak <= bound,
    )


def absorbs(spike: Samples, most: int) -> Verdict:
    """The process holds no more than its reservoir; the backlog is a multiple, so Kafka has the rest."""
    held = max(one.held for one in spike.slow_group)
    behind = max(one.behind for one in spike.slow_group)
    return Verdict(
        "the reservoir is bounded, Kafka has what is beyond it",
        f"{most:,} held at most, twice that behind",
        f"{held:,} held, {behind:,} behind",
        held <= most and behind >= 2 * most,
    )


def not_slowed(phase: Samples, claim: str) -> Verdict:
    """Every quick group did what was written while the slow one did not."""
    written = phase.grown(lambda one: one.written)
    slowest = min(phase.done(name) for name in phase.quick) / written
    slow = phase.done(phase.slow) / written
    return Verdict(
        claim,
        f"each did {KEPT_UP:.0%} of what was written",
        f"the least did {slowest:.1%}, the slow one {slow:.1%}",
        slowest >= KEPT_UP and slow < LEFT_BEHIND,
    )


def flat(before: Samples, later: Samples) -> Verdict:
    """No process grows with the backlog: its highest memory later, as a multiple of its highest before."""
    growth = {
        name: max(one.memory for one in later.group(name)) / max(one.memory for one in before.group(name))
        for name in later.all[0].groups
    }
    worst = max(growth, key=lambda name: growth[name])
    highest = max(one.memory for one in later.group(worst)) / MIB
    return Verdict(
        "memory stays flat",
        f"at most {FLAT:.2f} x",
        f"{growth[worst]:.2f} x ({worst}, {highest:.0f} MiB)",
        growth[worst] <= FLAT,
    )


def drains(after: Samples, rate: float, least: int) -> Verdict:
    """A backlog of at least `least` events comes down to a second's worth at rest."""
    first, last = after.slow_group[0].behind, after.slow_group[-1].behind
    seconds = after.all[-1].at - after.all[0].at
    return Verdict(
        "the spike drains",
        f"from {least:,} or more to {rate:,.0f} events",
        f"from {first:,} to {last:,} in {seconds:.0f} s",
        first >= least and last <= rate,
    )


def slows(spike: Samples) -> Verdict:
    """After the first seconds the producer writes about what the slow group works off, not the offer."""
    rest = spike.after(FIRST_SECONDS)
    written = rest.rate(lambda one: one.written)
    offered = rest.rate(lambda one: one.offered)
    done = rest.done_rate(rest.slow)
    return Verdict(
        "the producer slows down to what the slow group bears",
        "0.6 to 1.5 of its rate, of a larger offer",
        f"{written:.0f}/s written, {done:.0f}/s worked off, {offered:.0f}/s offered",
        0.6 * done <= written <= 1.5 * done and written <= LEFT_BEHIND * offered,
    )


def steady(followed: Samples) -> Verdict:
    """The backlog rises and falls: a loop that swings would make it turn again and again.

    The suggested rate follows the group's own, which a busy machine changes, so its turns are only told.
    """
    backlog = [one.behind for one in followed.slow_group]
    told = [one.suggested for one in followed.all if one.suggested is not None]
    claim, wanted = "without oscillating", f"the backlog turns twice at most by {RIPPLE:.0%} of its highest"
    if not told:
        return Verdict(claim, wanted, "nothing was suggested", holds=False)
    count = turns(backlog, RIPPLE * max(backlog))
    word = turns(told, RIPPLE * max(told))
    return Verdict(claim, wanted, f"{count}, the suggested rate {word}", count <= 2)


def recovers(recovery: Samples) -> Verdict:
    """In the end all that is offered is written, and no group asks for less."""
    end = recovery.last(FIRST_SECONDS)
    share = end.rate(lambda one: one.written) / end.rate(lambda one: one.offered)
    free = all(one.suggested is None for one in end.all)
    return Verdict(
        "and recovers",
        "all is written, nobody asks for less",
        f"{share:.1%} is written, {'nobody asks' if free else 'somebody asks'} for less",
        share >= 0.99 and free,
    )
