"""`doublegate dlq`: look at dead letters and send them again."""

import json
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doublegate.cli.options import (
    IN_A_POD,
    AsJson,
    Consumer,
    FailedAfter,
    FailedBefore,
    Ids,
    Reasons,
    filters_of,
    open_consumer,
)

if TYPE_CHECKING:
    from doublegate.cli.options import Opened
    from doublegate.deadletters.letters import StoredLetter
    from doublegate.deadletters.replay import ReplayReport

__all__ = ["app"]

app = typer.Typer(help="Dead letters: list, show, replay.", no_args_is_help=True)

SHOWN_BYTES = 512


@app.command("list")
def list_letters(
    *,
    consumer: Consumer = IN_A_POD,
    reason: Reasons = None,
    event_id: Ids = None,
    failed_after: FailedAfter = None,
    failed_before: FailedBefore = None,
    limit: Annotated[int, typer.Option(min=1, help="Letters to print; all of them are counted.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Print the letters that the filters let through, and how many there are by reason."""
    from collections import Counter  # noqa: PLC0415

    from doublegate.deadletters.selection import Selection  # noqa: PLC0415

    selection = Selection(**filters_of(reason, event_id, failed_after, failed_before))
    counts: Counter[str] = Counter()
    shown: list[dict[str, Any]] = []
    for letter in _letters(open_consumer(consumer)):
        if selection.matches(letter):
            counts[letter.facts.reason.value if letter.facts else "broken"] += 1
            if len(shown) < limit:
                shown.append(letter.summary())
    if as_json:
        typer.echo(json.dumps({"matched": counts.total(), "by_reason": counts, "letters": shown}))
        return
    for one in shown:
        error = str(one["error"]).partition("\n")[0][:80]
        typer.echo(f"{one['position']:>10}  {one['reason'] or 'broken':15} {one['id'] or '-':36} {error}")
    told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
    typer.echo(f"{counts.total()} letters ({told}), {len(shown)} shown")


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="A position as `dlq list` prints it (2:41), or an event id.")],
    consumer: Consumer = IN_A_POD,
    as_json: AsJson = False,
) -> None:
    """Print everything about a letter, or about every letter of an event."""
    found = [one for one in _letters(open_consumer(consumer)) if which in (one.position, one.event_id)]
    if not found:
        typer.echo(f"error: no letter at position {which} and none of an event {which}", err=True)
        raise typer.Exit(2)
    for letter in found:
        described = _describe(letter)
        if as_json:
            typer.echo(json.dumps(described))
        else:
            for name, value in described.items():
                lines = [f"{key}: {text}" for key, text in value] if isinstance(value, list) else [str(value)]
                typer.echo(f"{name:10} {lines[0] if lines else '-'}")
                for line in lines[1:]:
                    typer.echo(f"{'':10} {line}")
            typer.echo()


@app.command("give-up")
def give_up(
    which: Annotated[
        list[str], typer.Argument(help="Positions as `dlq list` prints them (2:41), or event ids.")
    ],
    *,
    consumer: Consumer = IN_A_POD,
) -> None:
    """Let the keys of letters go on without them, where `kafka.onFailure` is ParkKey.

    The letters stay in the topic; what is parked behind them can be replayed then.
    """
    from doublegate.deadletters.give_up import give_up as carry_out  # noqa: PLC0415

    opened = open_consumer(consumer)
    found = [one for one in _letters(opened) if one.position in which or one.event_id in which]
    named = {one.position for one in found} | {one.event_id for one in found}
    if missing := [one for one in which if one not in named]:
        typer.echo(f"error: no letter at or of {', '.join(missing)}; nothing was given up", err=True)
        raise typer.Exit(2)
    given = carry_out(opened.consumer, found)
    for letter in given:
        typer.echo(f"{letter.position:>10}  {letter.event_id} is given up")
    if without := len(found) - len(given):
        typer.echo(f"{without} letters have no key or no id, and hold nobody up")


@app.command()
def replay(
    *,
    consumer: Consumer = IN_A_POD,
    reason: Reasons = None,
    event_id: Ids = None,
    failed_after: FailedAfter = None,
    failed_before: FailedBefore = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, send nothing.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Letters per second at most.")] = None,
    max_events: Annotated[int | None, typer.Option(min=1, help="Send so many at most.")] = None,
    replay_id: Annotated[
        str | None, typer.Option(help="Go on with the replay of that id; a new one is made up otherwise.")
    ] = None,
    accept_unknown: Annotated[
        bool, typer.Option("--accept-unknown", help="Events too whose effect may have happened.")
    ] = False,
    accept_conflicts: Annotated[
        bool, typer.Option("--accept-conflicts", help="Conflicts too, each under a new id.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send letters to the group's replay topic; the ledger decides what is performed.

    A replay that was stopped goes on where it was with --replay-id.
    """
    from doublegate.contract.identity import header_reader  # noqa: PLC0415
    from doublegate.deadletters.replay import Replay  # noqa: PLC0415
    from doublegate.deadletters.selection import Selection  # noqa: PLC0415

    filters = filters_of(reason, event_id, failed_after, failed_before)
    opened = open_consumer(consumer)
    spec = opened.consumer.spec
    job = Replay(
        config=opened.kafka,
        dlq=spec.dlq_topic,
        group=spec.kafka.group,
        identity=spec.identity,
        read_id=header_reader(spec.identity),
        selection=Selection(**filters, accept_unknown=accept_unknown, accept_conflicts=accept_conflicts),
        replay_id=replay_id or secrets.token_hex(4),
        dry_run=dry_run,
        rate=rate,
        max_events=max_events,
    )
    typer.echo(f"replay {job.replay_id}: {job.dlq} to {job.target}", err=True)
    report = job.run(lambda now: typer.echo(f"{now.replayed} sent", err=True))
    typer.echo(json.dumps(asdict(report)) if as_json else _told(report))


def _letters(opened: "Opened") -> Any:
    from doublegate.contract.identity import header_reader  # noqa: PLC0415
    from doublegate.deadletters.letters import read_letters  # noqa: PLC0415

    spec = opened.consumer.spec
    return read_letters(opened.kafka, spec.dlq_topic, header_reader(spec.identity))


def _describe(letter: "StoredLetter") -> dict[str, Any]:
    from doublegate.deadletters.letters import text_of  # noqa: PLC0415

    value = letter.value
    payload = "null" if value is None else f"{len(value)} bytes: {value[:SHOWN_BYTES]!r}"
    return {
        **letter.summary(),
        "key": None if letter.key is None else text_of(letter.key),
        "headers": [(name, text_of(content)) for name, content in letter.headers],
        "payload": payload,
    }


def _told(report: "ReplayReport") -> str:
    verb = "would be sent" if report.dry_run else "sent and acknowledged"
    skipped = "".join(f"; {count} skipped: {why}" for why, count in report.skipped.items())
    more = "" if report.complete else f"; more are left, go on with --replay-id {report.replay_id}"
    return f"{report.matched} letters matched, {report.replayed} {verb}{skipped}{more}"
