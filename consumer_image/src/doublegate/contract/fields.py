"""What the sections of the resource are made of: the strict base model and the shared field types."""

import re
from typing import Annotated, LiteralString
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

__all__ = [
    "Choice",
    "DnsName",
    "GroupName",
    "HttpUrl",
    "RedisUrl",
    "SecretRef",
    "Section",
    "TopicName",
    "redact",
]

Choice = Strict(strict=False)
"""Marks an enum field: YAML can only give its text. Everything else stays strict."""


_CREDENTIALS: LiteralString = (
    "allowed: a URL without user, password or other secret; put those into a Secret as username and "
    "password, "
    "and name it in secretRef"
)


class Section(BaseModel):
    """A part of the resource: camelCase outside, unknown fields refused, immutable once read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,  # a value in the wrong place may be a secret
    )


DnsName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, examples=["payments"])
]
"""A Kubernetes name that is usable as a label and a host name too."""

SecretRef = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253, examples=["payments-kafka"]),
]
"""Name of a Secret; in a pod its keys are files under /etc/doublegate/secrets/<name>/."""

TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$", max_length=249, examples=["payments"])]

# 249 less the longest suffix that is hung on it, ".replay".
GroupName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$", max_length=242, examples=["payments"])]


def redact(text: str) -> str:
    """A URL or address without its user information and query, for messages."""
    before, mark, rest = text.rpartition("@")
    scheme, separator, _ = before.partition("://")
    shown = f"{scheme + separator if separator else ''}***@{rest}" if mark else text
    address, query, _ = shown.partition("?")
    return f"{address}?***" if query and "://" in address else shown


def _url(pattern: str, example: str) -> tuple[AfterValidator, FieldInfo]:
    def check(url: str) -> str:
        scheme, _, rest = url.partition("://")
        if "@" in rest.partition("/")[0] or (scheme.startswith("redis") and "?" in rest):
            raise PydanticCustomError("dg_secret", _CREDENTIALS)
        try:
            valid = re.fullmatch(pattern, url) is not None and urlsplit(url).port != 0
        except ValueError:  # a port or an IPv6 address that is none
            valid = False
        if not valid:
            raise PydanticCustomError("dg_url", "allowed: a URL such as {example}", {"example": example})
        return url

    return AfterValidator(check), Field(json_schema_extra={"pattern": pattern, "examples": [example]})


RedisUrl = Annotated[str, *_url(r"^rediss?://[^@?#/\s]+(/[0-9]*)?$", "redis://valkey:6379/0")]
HttpUrl = Annotated[str, *_url(r"^https?://[^@?#/\s]+(/[^\s]*)?$", "http://registry:8080/path")]
