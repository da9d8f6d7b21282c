"""From a value to a framed payload, with the client's own serialisers."""

from typing import TYPE_CHECKING, Any

from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from pydantic import BaseModel

from doublegate.schemas.errors import SchemaError, Unencodable
from doublegate.schemas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Encoder"]


class Encoder:
    """Writes dicts and pydantic models under one subject's schema.

    The schema is registered when the encoder is made: an incompatible one is refused before the first
    event.

    Args:
        registry: where the schema is registered.
        subject: usually `<topic>-value`.
        schema: the schema's text.
        kind: AVRO or JSON.
        compatibility: the level the subject shall have; None leaves it.

    Attributes:
        schema_id: what the registry calls it.
    """

    def __init__(
        self,
        registry: Registry,
        subject: str,
        schema: str,
        kind: str = "AVRO",
        compatibility: str | None = None,
    ) -> None:
        self.subject = subject
        self.schema_id = registry.register(subject, schema, kind, compatibility)
        config = {"auto.register.schemas": True, "subject.name.strategy": lambda *_: subject}
        self._context = SerializationContext(subject, MessageField.VALUE)
        self._mode = "json" if kind == "JSON" else "python"
        serialise: Callable[[Any, SerializationContext], bytes | None]
        match kind:
            case "AVRO":
                serialise = AvroSerializer(registry.client, Schema(schema, kind), conf=config)
            case "JSON":
                serialise = JSONSerializer(Schema(schema, kind), registry.client, conf=config)
            case _:
                raise ValueError(f"an encoder writes AVRO or JSON, not {kind}; pass serialised bytes")
        self._serialise = serialise

    def __call__(self, value: Any) -> bytes:
        """The framed payload of `value`, a dict or a pydantic model.

        Raises:
            Unencodable: it does not fit the schema; the message says where.
        """
        record = value.model_dump(mode=self._mode) if isinstance(value, BaseModel) else value
        try:
            payload = self._serialise(record, self._context)
        except SchemaError:
            raise
        except Exception as error:
            what = str(error) or type(error).__name__
            raise Unencodable(f"the value does not fit the schema of {self.subject}: {what}") from error
        if payload is None:
            raise Unencodable(f"None has no payload under the schema of {self.subject}")
        return payload
