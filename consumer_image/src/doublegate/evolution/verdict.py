"""The verdict on a subject: its earlier versions, and its consumers."""

from dataclasses import dataclass

from doublegate.evolution.clash import Direction
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.impact import broken_by
from doublegate.evolution.levels import Finding, compare, directions, within
from doublegate.evolution.repository import Subject

__all__ = ["Verdict", "check", "impact"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about a subject.

    Attributes:
        subject: that was checked.
        findings: everything that is wrong; empty when nothing is.
    """

    subject: Subject
    findings: tuple[Finding, ...]


def check(subject: Subject) -> Verdict:
    """Whether the change keeps the subject's level, and its consumers.

    Raises:
        CannotCheck: a change can't be judged.
    """
    try:
        found = [
            finding
            for versions in subject.earlier
            for finding in compare(subject.schema, versions, subject.level)
        ]
    except CannotCheck as error:
        raise CannotCheck(f"{subject.file}: {error}") from error
    return Verdict(subject, (*found, *impact(subject).findings))


def impact(subject: Subject) -> Verdict:
    """Whether each consumer can read the subject.

    It must read the version in question. Where the level says that a new version reads what earlier ones
    wrote, the consumer's model must too: those records may still be in the topic.
    """
    found = [finding for consumer in subject.consumers for finding in broken_by(consumer, subject.schema)]
    if Direction.BACKWARD in directions(subject.level):
        found += [
            finding
            for consumer in subject.consumers
            for versions in subject.earlier
            for version in within(subject.level, versions)
            for finding in broken_by(consumer, version.schema, version.label)
        ]
    return Verdict(subject, tuple(found))
