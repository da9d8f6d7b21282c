"""`doublegate dlq replay`: by options, or by a DeadLetterReplay resource as its Job runs it."""

import json
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from doublegate.deadletters.replay import Replay, ReplayReport
    from doublegate.deadletters.selection import Selection

__all__ = ["replay"]


def replay(
    *,
    consumer: Consumer = IN_A_POD,
    resource: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A DeadLetterReplay's YAML, in place of the filters; waits until the group is done.",
        ),
    ] = None,
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
    http_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="With --from: serve /status there.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="With --from: write how it ended into that file.")
    ] = None,
) -> None:
    """Send letters to the group's replay topic; the ledger decides what is performed.

    A replay that was stopped goes on where it was with --replay-id.
    """
    from doublegate.deadletters.selection import Selection  # noqa: PLC0415

    filters = filters_of(reason, event_id, failed_after, failed_before)
    if resource is not None:
        if any(filters.values()) or dry_run or rate or max_events or accept_unknown or accept_conflicts:
            raise typer.BadParameter(
                "the resource says what is sent; leave the filters out", param_hint="--from"
            )
        _carry_out(consumer, resource, replay_id, http_port, report)
        return
    job = _job(
        consumer,
        Selection(**filters, accept_unknown=accept_unknown, accept_conflicts=accept_conflicts),
        replay_id or secrets.token_hex(4),
        dry_run=dry_run,
        rate=rate,
        max_events=max_events,
    )
    typer.echo(f"replay {job.replay_id}: {job.dlq} to {job.target}", err=True)
    ended = job.run(lambda now: typer.echo(f"{now.replayed} sent", err=True))
    typer.echo(json.dumps(asdict(ended)) if as_json else _told(ended))


def _carry_out(
    consumer: Path, resource: Path, replay_id: str | None, http_port: int | None, report: Path | None
) -> None:
    """As the resource says, from where a former run of it stopped."""
    from doublegate.contract.replay_resource import load_replay  # noqa: PLC0415
    from doublegate.deadletters.replay_job import ReplayJob  # noqa: PLC0415
    from doublegate.deadletters.selection import Selection  # noqa: PLC0415

    wanted = load_replay(resource)
    spec = wanted.spec
    job = _job(
        consumer,
        Selection.of(spec),
        replay_id or wanted.metadata.uid or wanted.metadata.name,
        dry_run=spec.dry_run,
        rate=spec.rate,
        max_events=spec.max_events,
        go_on=True,
    )
    typer.echo(f"replay {job.replay_id}: {job.dlq} to {job.target}", err=True)
    progress = ReplayJob(job, report).run(http_port)
    typer.echo(progress.model_dump_json(by_alias=True, exclude_none=True))


def _job(
    consumer: Path,
    selection: "Selection",
    replay_id: str,
    *,
    dry_run: bool,
    rate: float | None,
    max_events: int | None,
    go_on: bool = False,
) -> "Replay":
    from doublegate.contract.identity import header_reader  # noqa: PLC0415
    from doublegate.deadletters.replay import Replay  # noqa: PLC0415

    opened = open_consumer(consumer)
    spec = opened.consumer.spec
    return Replay(
        config=opened.kafka,
        dlq=spec.dlq_topic,
        group=spec.kafka.group,
        identity=spec.identity,
        read_id=header_reader(spec.identity),
        selection=selection,
        replay_id=replay_id,
        dry_run=dry_run,
        rate=rate,
        max_events=max_events,
        go_on=go_on,
    )


def _told(report: "ReplayReport") -> str:
    verb = "would be sent" if report.dry_run else "sent and acknowledged"
    skipped = "".join(f"; {count} skipped: {why}" for why, count in report.skipped.items())
    more = "" if report.complete else f"; more are left, go on with --replay-id {report.replay_id}"
    return f"{report.matched} letters matched, {report.replayed} {verb}{skipped}{more}"
