"""One field that a handler reads, as `doublegate schema fields` prints it and the resource has it."""

from typing import Annotated, Self

from pydantic import Field

from doublegate.contract.fields import Choice, Section
from doublegate.contract.reads import Read
from doublegate.contract.record import Kind

__all__ = ["DeclaredField"]


class DeclaredField(Section):
    """One field that the handler's model has."""

    required: bool = Field(description="Whether the model has no default for it.")
    takes: list[Annotated[Kind, Choice]] = Field(description="The kinds of value that the model accepts.")
    values: list[str] | None = Field(
        None, description="All that the model accepts, when it lists them; anything when absent."
    )
    closed: bool = Field(
        False, description="It is an object, and the model refuses what else a record has in it."
    )

    @classmethod
    def of(cls, read: Read) -> Self:
        """In an order that is always the same."""
        return cls(
            required=read.required,
            takes=sorted(read.takes),
            values=None if read.values is None else sorted(read.values),
            closed=read.closed,
        )

    def as_read(self) -> Read:
        """As the rules take it."""
        listed = None if self.values is None else frozenset(self.values)
        return Read(self.required, frozenset(self.takes), listed, self.closed)
