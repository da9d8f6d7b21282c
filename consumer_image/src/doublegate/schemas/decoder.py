"""From a record's payload to what the handler's annotation asks for."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from doublegate.schemas.errors import NotFramed, SchemaBroken
from doublegate.schemas.formats import PREFIX, Reader
from doublegate.schemas.registry import Registry

__all__ = ["Decoder", "build_decoder"]

_MAGIC = b"\0"

Decode = Callable[[bytes], Any]


class Decoder:
    """Decodes framed payloads; each schema id is looked up and parsed once.

    Args:
        registry: where the schemas are.
        model: the pydantic model to build; None gives the record.
    """

    def __init__(self, registry: Registry, model: type[BaseModel] | None = None) -> None:
        self._registry = registry
        self._model = model
        self._readers: dict[bytes, Reader] = {}

    def __call__(self, payload: bytes) -> Any:
        """The record, or the model built from it.

        Raises:
            NotFramed: the payload lacks the magic byte and a schema id.
            SchemaBroken: it does not decode under its schema, or the model refuses it.
            SchemaUnavailable: its schema can't be had now.
        """
        prefix = payload[:PREFIX]
        read = self._readers.get(prefix) or self._reader(prefix)
        try:
            record = read(payload)
        except Exception as error:
            number = int.from_bytes(prefix[1:])
            what = str(error) or type(error).__name__
            raise SchemaBroken(f"the payload does not decode under schema id {number}: {what}") from error
        if self._model is None:
            return record
        try:
            return self._model.model_validate(record)
        except ValidationError as error:
            raise SchemaBroken(_explain(self._model, error)) from error

    def _reader(self, prefix: bytes) -> Reader:
        if len(prefix) < PREFIX or prefix[:1] != _MAGIC:
            start = prefix.hex() or "nothing"
            raise NotFramed(f"the payload starts with {start}, not with the magic byte 00 and a schema id")
        reader = self._registry.reader(int.from_bytes(prefix[1:]))
        self._readers[prefix] = reader
        return reader


def build_decoder(registry: Registry | None, target: type | None = None) -> Decode:
    """The decoder for a handler's annotation.

    Args:
        registry: None when the resource has no `schema`: payloads are JSON for a model or a dict, bytes else.
        target: `bytes`, a pydantic model, `dict`, or None for the record as it is decoded.

    Returns:
        A function of the payload. A null payload (a tombstone) is not for it: it has nothing to decode.
    """
    if target is bytes or (registry is None and target is None):
        return bytes
    model = target if isinstance(target, type) and issubclass(target, BaseModel) else None
    if registry is not None:
        return Decoder(registry, model)
    return _json if model is None else _json_model(model)


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError as error:
        raise SchemaBroken(f"the payload is not JSON: {error}") from error


def _json_model(model: type[BaseModel]) -> Decode:
    def decode(payload: bytes) -> BaseModel:
        try:
            return model.model_validate_json(payload)
        except ValidationError as error:
            raise SchemaBroken(_explain(model, error)) from error

    return decode


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    """Field and reason of every problem; never the input, which may be personal data."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    said = "; ".join(
        f"field {'.'.join(str(part) for part in problem['loc']) or '(the payload)'}: {problem['msg']}"
        for problem in problems[:10]
    )
    return f"the payload is no {model.__name__}: {said}"
