"""Verdicts as text, and as annotations that GitHub shows beside the line."""

import re
from collections.abc import Iterator

from doublegate.evolution.schema import Format
from doublegate.evolution.verdict import Verdict

__all__ = ["annotations", "line_of", "lines"]

_DECLARES = {
    Format.AVRO: r'"name"\s*:\s*"{}"',
    Format.JSON: r'"{}"\s*:',
    Format.PROTOBUF: r"(?:\b{0}\s*=|\b(?:message|oneof)\s+{0}\b)",
}


def lines(verdict: Verdict) -> Iterator[str]:
    """What a person reads."""
    subject = verdict.subject
    counts = [
        _count(sum(map(len, subject.earlier)), "earlier version"),
        _count(len(subject.consumers), "consumer"),
    ]
    told = _count(len(verdict.findings), "problem") if verdict.findings else "compatible"
    yield f"{subject.name} {subject.level}: {told} ({', '.join(counts)})"
    for finding in verdict.findings:
        yield f"  {finding.rule}: {finding.place}"
        yield f"    {finding.what}"
        yield f"    what to do: {finding.advice}"
    yield from (f"  skipped: {why}" for why in subject.skipped)


def annotations(verdict: Verdict) -> Iterator[str]:
    """GitHub's workflow commands, one for each finding."""
    text, kind = verdict.subject.schema.text, verdict.subject.schema.format
    for finding in verdict.findings:
        where = f"file={_property(str(verdict.subject.file))},line={line_of(finding.path, text, kind)}"
        said = f"{finding.place}: {finding.what}; {finding.advice}"
        yield f"::error {where},title={_property(finding.rule)}::{_escaped(said)}"


def line_of(path: str, text: str, kind: Format) -> int:
    """The line that declares a field, or else the nearest thing around it that is there."""
    start = 0
    for name in re.split(r"[.\[\]{}]+", path):
        found = re.compile(_DECLARES[kind].format(re.escape(name))).search(text, start) if name else None
        if found is None:
            break
        start = found.start()
    return text.count("\n", 0, start) + 1


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
