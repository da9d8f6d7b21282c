"""`doublegate inspect`: where one event is, in the ledger, in Kafka, in the dead letters, and its trace."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from doublegate.cli.options import IN_A_POD, AsJson, Consumer

if TYPE_CHECKING:
    from doublegate.deadletters.locate import EventReport

__all__ = ["inspect"]


def inspect(
    event_id: Annotated[str, typer.Argument(help="As the event's header has it.")],
    *,
    consumer: Consumer = IN_A_POD,
    newest: Annotated[
        int, typer.Option(min=1, help="Read so many of the newest records of each partition.")
    ] = 100_000,
    jaeger_url: Annotated[
        str | None, typer.Option(envvar="DOUBLEGATE_JAEGER", help="Jaeger's address, to print the trace's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print an event's ledger entry, its records, its dead letters and its trace."""
    from doublegate.contract.resource import load_consumer  # noqa: PLC0415
    from doublegate.deadletters.locate import find_event  # noqa: PLC0415

    report = find_event(load_consumer(consumer), event_id, newest)
    url = f"{jaeger_url.rstrip('/')}/api/traces/{report.trace_id}" if jaeger_url and report.trace_id else None
    if as_json:
        typer.echo(json.dumps({**report.as_json(), "trace_url": url}))
        return
    for line in _lines(report):
        typer.echo(line)
    typer.echo(f"trace        {report.trace_id or 'none found'}{f'  {url}' if url else ''}")


def _lines(report: "EventReport") -> list[str]:
    entry = report.as_json()["ledger"]
    lines = [f"event        {report.event_id} of group {report.group}"]
    if entry is None:
        lines.append("ledger       no entry: never claimed, or DONE longer ago than ledger.ttl")
    else:
        facts = ", ".join(
            f"{name} {value}" for name, value in entry.items() if value not in (None, "", False)
        )
        lines.append(f"ledger       {facts}")
    lines += [
        f"record       {one.topic} {one.partition}:{one.offset} {one.time}" for one in report.records
    ] or [f"record       none among the newest {report.newest} of each partition"]
    for letter in report.letters:
        told = letter.summary()
        lines.append(
            f"dead letter  {told['position']} {told['reason']} at {told['failed_at']}: {told['error']}"
        )
    return lines
