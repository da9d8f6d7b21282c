"""A token bucket whose rate may change at every moment; pure: the caller brings the time."""

from typing import Final

__all__ = ["TokenBucket"]

_BURST_SECONDS: Final = 0.1
"""What may be saved up: enough for uneven calls, too little for a spike."""


class TokenBucket:
    """One token per event; not thread-safe."""

    def __init__(self) -> None:
        self._tokens = 1.0
        self._at = float("-inf")

    def take(self, rate: float, now: float) -> float:
        """Take a token; else the seconds until there is one, if nobody else takes it."""
        wait = self.wait(rate, now)
        self._at = now
        if not wait:
            self._tokens -= 1
        return wait

    def wait(self, rate: float, now: float) -> float:
        """Seconds until there is a token, 0 if there is one now."""
        most = max(1.0, rate * _BURST_SECONDS)
        self._tokens = min(most, self._tokens + max(0.0, now - self._at) * rate)
        self._at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / rate
