"""Counters, gauges and histograms that cost an integer in the hot path.

OpenTelemetry's `Counter.add` takes 8 microseconds and `Histogram.record` 5 (measured), one call per event
would be a tenth of a core at 15,000 events/s. These hold plain numbers; `telemetry.metrics` hands them to
OpenTelemetry when somebody collects. They are also what `/status` and the tests read.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from threading import Lock

__all__ = ["SECONDS", "Counter", "Gauge", "Histogram", "Labels", "Reading"]

Labels = tuple[str, ...]
Reading = float | Mapping[Labels, float] | None
"""What a watched gauge's source returns: one value, one per label set, or None for not known now."""

SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
"""Upper bounds: from a batch's share of a call to a slow handler's timeout."""


class _Instrument:
    """A name, what it means, and the names of its labels."""

    def __init__(self, name: str, description: str, *labels: str, unit: str = "") -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self.unit = unit
        self._lock = Lock()

    def _check(self, labels: Labels) -> None:
        if len(labels) != len(self.labels):
            raise TypeError(f"{self.name} takes the labels {self.labels}, got {labels}")


class Counter(_Instrument):
    """Only grows."""

    def __init__(self, name: str, description: str, *labels: str, unit: str = "") -> None:
        super().__init__(name, description, *labels, unit=unit)
        self._values: dict[Labels, int] = {} if labels else {(): 0}

    def add(self, n: int, *labels: str) -> None:
        """Add `n` for the given label values."""
        with self._lock:
            try:
                self._values[labels] += n
            except KeyError:
                self._check(labels)
                self._values[labels] = n

    def value(self, *labels: str) -> int:
        """What was counted for the given label values."""
        return self._values.get(labels, 0)

    def total(self) -> int:
        """What was counted in all."""
        return sum(value for _, value in self.items())

    def items(self) -> list[tuple[Labels, int]]:
        """Every label set with its count."""
        with self._lock:
            return list(self._values.items())


class Gauge(_Instrument):
    """A present value, set when it changes or read from its source when somebody looks."""

    def __init__(self, name: str, description: str, *labels: str, unit: str = "") -> None:
        super().__init__(name, description, *labels, unit=unit)
        self._values: dict[Labels, float] = {}
        self._source: Callable[[], Reading] | None = None

    def set(self, value: float, *labels: str) -> None:
        """Set the value for the given label values."""
        if labels not in self._values:
            self._check(labels)
        with self._lock:
            self._values[labels] = value

    def watch(self, read: Callable[[], Reading]) -> None:
        """Ask `read` at every collection; it must be quick and callable from any thread."""
        self._source = read

    def value(self, *labels: str) -> float | None:
        """The value for the given label values, None when there is none."""
        return dict(self.items()).get(labels)

    def items(self) -> list[tuple[Labels, float]]:
        """Every label set with its value; the source's readings win over set values."""
        with self._lock:
            values = dict(self._values)
        if self._source is not None:
            reading = self._source()
            if isinstance(reading, Mapping):
                values.update(reading)
            elif reading is not None:
                values[()] = reading
        return list(values.items())


class Histogram(_Instrument):
    """A distribution of seconds."""

    def __init__(self, name: str, description: str, *, bounds: tuple[float, ...] = SECONDS) -> None:
        super().__init__(name, description, unit="s")
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float, n: int = 1) -> None:
        """Add `n` observations of `seconds` each."""
        place = bisect_left(self.bounds, seconds)
        with self._lock:
            self._counts[place] += n
            self._sum += seconds * n

    def read(self) -> tuple[list[int], float]:
        """Counts per bucket, the last one beyond the highest bound, and the sum of all."""
        with self._lock:
            return list(self._counts), self._sum

    def quantile(self, q: float) -> float | None:
        """The upper bound of the bucket that holds quantile `q`; None when empty, inf beyond the bounds."""
        counts, _ = self.read()
        rest = q * sum(counts)
        if not rest:
            return None
        for bound, count in zip(self.bounds, counts, strict=False):
            rest -= count
            if rest <= 0:
                return bound
        return float("inf")
