"""What a schedule is: drawn from a seed, the same for the same seed, without I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.faults.handlers import Kind
from tests.faults.points import POINTS

__all__ = ["Config", "Effect", "Event", "Planned", "Schedule", "draw"]

LOAD_SECONDS = 14.0
FAULTS_END = 15.0
KEYS = 60
PARTITIONS = 6


class Effect(StrEnum):
    """Where the effect is, and who else keeps it single."""

    INBOX = "inbox"
    KEYED = "keyed"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Config:
    """How the consumers are set up.

    Attributes:
        effect: where it is.
        on_loop: an async handler (not with the inbox).
        claim: the ledger's claim mode.
        protocol: `cooperative`, `eager` or `consumer` (KIP-848).
        on_failure: what follows a dead letter of the same key.
        members: processes at the start.
        typed: payloads are Avro, so that the registry matters.
        wide: three brokers and a Valkey Cluster.
    """

    effect: Effect = Effect.PLAIN
    on_loop: bool = False
    claim: str = "PerEvent"
    protocol: str = "cooperative"
    on_failure: str = "Continue"
    members: int = 3
    typed: bool = False
    wide: bool = False

    def __str__(self) -> str:
        parts = [self.effect.value, self.claim, self.protocol, self.on_failure, f"{self.members} members"]
        flags = {"async": self.on_loop, "typed": self.typed, "wide": self.wide}
        return ", ".join([*parts, *(name for name, on in flags.items() if on)])


@dataclass(frozen=True, slots=True)
class Event:
    """One record to send.

    Attributes:
        at: seconds after the start.
        id: the event id; its last letter is its kind.
        key: the record's key.
        number: the payload; a copy with another one is a conflict.
        conflict: it is such a copy.
    """

    at: float
    id: str
    key: str
    number: int
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault: its name in `faults.FAULTS`, when it begins, how long it lasts, and whom it is for."""

    at: float
    fault: str
    seconds: float = 0.0
    member: int = 0


@dataclass(frozen=True)
class Schedule:
    """One run.

    Attributes:
        seed: draws it again.
        config: of the consumers.
        events: in the order of their sending.
        faults: in the order of their beginning.
        points: members that kill themselves: number, point, at its n-th passing.
        full_replay: afterwards the whole topic is read again.
        aborted: a transaction of so many events is aborted on the way.
        patience: seconds that the group may take to pass everything; a broken build may never.
        replays: the dead letters are replayed afterwards.
    """

    seed: int
    config: Config
    events: tuple[Event, ...]
    faults: tuple[Planned, ...]
    points: tuple[tuple[int, str, int], ...] = ()
    full_replay: bool = False
    aborted: int = 0
    patience: float = 60.0
    replays: bool = True

    def about(self) -> str:
        """In a line."""
        faults = ", ".join(f"{f.fault} at {f.at:.0f} s" for f in self.faults) or "none"
        points = "".join(f"; member {member} dies at {point}:{n}" for member, point, n in self.points)
        return f"seed {self.seed}: {self.config}; faults: {faults}{points}"


RARE = {
    Kind.FAILS: 0.02,
    Kind.RETRIES: 0.02,
    Kind.SLOW: 0.01,
    Kind.RAISES: 0.005,
    Kind.LEAKS: 0.005,
    Kind.BROKEN: 0.003,
}
ONCE = (Kind.LONG, Kind.HANGS, Kind.CRASHES)

ANYWHERE = (
    *("member_kill", "member_pause", "member_term", "member_join", "rolling_restart", "churn", "clock_jump"),
    *("postgres_cut", "postgres_pause", "postgres_slow", "registry_cut", "registry_slow", "otlp_cut"),
    *("otlp_stall", "far_lossy", "far_slow", "far_down", "partitions_grow", "dlq_readonly", "dlq_gone"),
)
NARROW = (
    *("ledger_restart", "ledger_restart_empty", "ledger_flush", "ledger_pause", "ledger_full"),
    *("ledger_failover", "ledger_cut", "ledger_delay", "ledger_stall", "kafka_restart"),
)
WIDE = ("broker_stop", "broker_kill", "slots_move", "slots_move")
LASTING = {
    "member_pause": (7.5, 9.0),
    "ledger_pause": (2.0, 9.0),
    "churn": (6.0, 9.0),
    "dlq_gone": (4.0, 8.0),
}


def draw(seed: int, *, wide: bool = False, traces: bool = True) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(seed)
    effect = rng.choice(list(Effect))
    claim = rng.choice(["PerEvent", "PerEvent", "PerPartition"])
    config = Config(
        effect=effect,
        on_loop=effect is not Effect.INBOX and rng.random() < 0.3,
        claim=claim,
        protocol=rng.choice(["cooperative", "cooperative", "eager", "consumer"]),
        on_failure="ParkKey" if claim == "PerEvent" and rng.random() < 0.3 else "Continue",
        members=rng.choice([3, 3, 4]),
        typed=rng.random() < 0.3,
        wide=wide,
    )
    names = [*ANYWHERE, *(WIDE * 3 if wide else NARROW)]
    skipped = set() if traces else {"otlp_cut", "otlp_stall"}
    skipped |= set() if config.typed else {"registry_cut", "registry_slow"}
    skipped |= set() if effect is Effect.INBOX else {"postgres_cut", "postgres_pause", "postgres_slow"}
    skipped |= {"far_lossy", "far_slow", "far_down"} if effect is Effect.INBOX else set()
    skipped |= {"partitions_grow"} if config.on_failure == "ParkKey" else set()
    names = [name for name in names if name not in skipped]
    faults = [_planned(rng, rng.choice(names), config) for _ in range(rng.choice([1, 2, 2, 3, 3, 4]))]
    points = [
        (member, rng.choice(POINTS), rng.choice([1, 2, 5, 20]))
        for member in range(config.members - 1)
        if rng.random() < 0.35
    ]
    return Schedule(
        seed=seed,
        config=config,
        events=_events(rng, rng.choice([500, 900, 1500])),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
        points=tuple(points),
        full_replay=rng.random() < 0.35,
        aborted=20 if rng.random() < 0.2 else 0,
    )


def _planned(rng: random.Random, name: str, config: Config) -> Planned:
    seconds = rng.uniform(*LASTING.get(name, (1.0, 5.0)))
    latest = max(1.0, FAULTS_END - seconds)
    at = 0.0 if name == "dlq_gone" else rng.uniform(1.0, min(LOAD_SECONDS - 2, latest))
    return Planned(at, name, seconds, rng.randrange(config.members))


def _events(rng: random.Random, count: int) -> tuple[Event, ...]:
    """Bursts over the whole time, so that there is a backlog now and none then; copies near and far."""
    bursts = sorted(rng.uniform(0, LOAD_SECONDS) for _ in range(rng.choice([4, 10, 40])))
    chosen = [*ONCE, None, None, None]
    special = {rng.randrange(count // 2): kind for _ in range(2) if (kind := rng.choice(chosen))}
    sent: list[Event] = []
    for number in range(count):
        kind = special.get(number) or _rare(rng)
        burst = bursts[number * len(bursts) // count]
        at = burst + (number % max(1, count // len(bursts))) * 0.001
        event = Event(at, f"e-{number:05d}-{kind.value}", f"k{rng.randrange(KEYS)}", number)
        sent.append(event)
        fate = rng.random()
        if fate < 0.07:
            sent.append(_copy(event, at + rng.uniform(0, 0.3)))
        elif fate < 0.11:
            sent.append(_copy(event, at + rng.uniform(2.0, 8.0)))
        elif fate < 0.113 and kind is Kind.SOUND:
            sent.append(Event(at + rng.uniform(0.5, 3.0), event.id, event.key, number + 1_000_000, True))
    return tuple(sorted(sent, key=lambda event: event.at))


def _copy(event: Event, at: float) -> Event:
    return Event(at, event.id, event.key, event.number)


def _rare(rng: random.Random) -> Kind:
    drawn = rng.random()
    for kind, share in RARE.items():
        drawn -= share
        if drawn < 0:
            return kind
    return Kind.SOUND


def spec_of(config: Config, **places: Any) -> dict[str, Any]:
    """The resource's spec of a run; `places` are topic, group and addresses."""
    handler = {Effect.INBOX: "rows"}.get(config.effect, "on_loop" if config.on_loop else "single")
    spec: dict[str, Any] = {
        "handler": {"python": f"tests.faults.handlers:{handler}", "timeout": "9s"},
        "kafka": {
            "bootstrapServers": places["bootstrap"],
            "topic": places["topic"],
            "group": places["group"],
            "partitions": PARTITIONS,
            "replicationFactor": 3 if config.wide else 1,
            "minInsyncReplicas": 2 if config.wide else 1,
            "groupProtocol": "Consumer" if config.protocol == "consumer" else "Classic",
            "onFailure": config.on_failure,
        },
        "ledger": {"url": places["ledger"], "session": "6s", "ttl": "10m", "claim": config.claim},
        "filter": {"expectedRate": 500, "window": "10m", "exactEntries": 20_000},
        "flow": {"maxInFlight": 400, "concurrency": {"min": 4, "max": 8}},
        "retries": {"attempts": 3, "initialBackoff": "50ms", "maxBackoff": "500ms", "crashes": 1},
        "dlq": {"breaker": {"failureRatio": 0.8, "window": "5s"}},
    }
    if config.effect is Effect.INBOX:
        spec["inbox"] = dict(secretRef="db")  # noqa: C408 - a name, which the secrets scan takes for one
    if config.typed:
        spec["schema"] = {"registryUrl": places["registry"]}
    if places.get("otlp"):
        spec["telemetry"] = {"otlpEndpoint": places["otlp"]}
    return spec
