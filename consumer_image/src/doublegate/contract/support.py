"""What the resource allows and this build does not carry out yet; it shrinks as later versions do."""

from collections.abc import Iterator

from doublegate.contract.errors import Unsupported
from doublegate.contract.filter_spec import Snapshots
from doublegate.contract.resource import ConsumerSpec

__all__ = ["refuse_unsupported"]


def refuse_unsupported(spec: ConsumerSpec) -> None:
    """Raise for the first such value, so that none is accepted and ignored.

    Raises:
        Unsupported: names the field and what to use instead.
    """
    for refusal in _unsupported(spec):
        raise refusal


def _unsupported(spec: ConsumerSpec) -> Iterator[Unsupported]:
    if spec.filter.snapshots is Snapshots.VOLUME:
        yield Unsupported("spec.filter.snapshots: Volume", "use Ledger")
    if spec.identity.payload_field is not None:
        yield Unsupported("spec.identity.payloadField", "use header or cloudEvents")
    if spec.identity.conflict_ignore:
        yield Unsupported("spec.identity.conflictIgnore", "leave it out, or set conflictOn: None")
