"""When to try again."""

import random

from doublegate.contract.work_spec import RetrySpec

__all__ = ["backoff"]


def backoff(spec: RetrySpec, attempt: int, at_least: float | None = None) -> float:
    """Seconds to wait after `attempt` (1 is the first) failed.

    Exponential with full jitter between half and all of the step (AWS Architecture Blog, "Exponential
    Backoff and Jitter"), so that events which failed together do not come back together.
    """
    step = min(spec.max_backoff, spec.initial_backoff * 2.0 ** min(attempt - 1, 32))
    wait = step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
    return max(wait, at_least or 0.0)
