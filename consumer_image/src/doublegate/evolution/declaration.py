"""What a consumer reads of a subject, in a committed file: `<consumer>.fields.json`.

`doublegate schema fields` writes it from the handler's model: `schema impact` needs no consumer's code.
"""

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from doublegate.contract.declared_field import DeclaredField
from doublegate.contract.fields import GroupName
from doublegate.evolution.errors import CannotCheck
from doublegate.evolution.model import fields_read

__all__ = ["SUFFIX", "Declaration", "load_declaration"]

SUFFIX = ".fields.json"


class Declaration(BaseModel):
    """The fields that one consumer reads of one subject."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    consumer: GroupName
    subject: str = Field(min_length=1, max_length=255)
    model: str
    fields: dict[str, DeclaredField]

    @classmethod
    def of(cls, consumer: str, subject: str, reference: str, model: type[BaseModel]) -> Self:
        """What a model reads.

        Args:
            consumer: its name, by which reports call it.
            subject: that it reads.
            reference: the model's, as `module:name`.
            model: the handler's.

        Raises:
            CannotCheck: the model can't be described.
        """
        fields = {path: DeclaredField.of(read) for path, read in fields_read(model).items()}
        return cls(consumer=consumer, subject=subject, model=reference, fields=fields)

    def text(self) -> str:
        """The file's content, a line for each field, so that a review shows which of them changed."""
        head = {"consumer": self.consumer, "subject": self.subject, "model": self.model}
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
        fields = ",\n".join(
            f"    {json.dumps(path)}: {json.dumps(field.model_dump(mode='json', exclude_defaults=True))}"
            for path, field in self.fields.items()
        )
        return "\n".join(("{", *lines, '  "fields": {', fields, "  }", "}", ""))


def load_declaration(path: Path) -> Declaration:
    """Read a declaration.

    Raises:
        CannotCheck: it is not readable, or it is none.
    """
    try:
        return Declaration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CannotCheck(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CannotCheck(
            f"{path}: {place}: {first['msg']}; write it anew with `doublegate schema fields`"
        ) from error
