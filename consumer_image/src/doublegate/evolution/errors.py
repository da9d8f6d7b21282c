"""What can go wrong with a check of schemas, by what the caller does next."""

from doublegate.contract.errors import DoublegateError

__all__ = ["CannotCheck"]


class CannotCheck(DoublegateError):
    """No verdict can be given: neither pass nor fail the change, but do what the message says."""
