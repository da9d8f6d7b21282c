"""`doublegate dlq`: look at dead letters and send them again."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doublegate.cli.dlq_replay import replay
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

__all__ = ["app"]

app = typer.Typer(help="Dead letters: list, show, replay.", no_args_is_help=True)

SHOWN_BYTES = 512

app.command("replay")(replay)


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
