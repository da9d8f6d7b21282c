"""Settings of the process, from environment variables `DOUBLEGATE_OPERATOR_*`, as the chart sets them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from doublegate.contract.errors import DoublegateError
from doublegate_operator.core.settings import OperatorSettings

__all__ = ["InvalidSettings", "Settings"]

_PREFIX = "DOUBLEGATE_OPERATOR_"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_LINK = re.compile(r"(.*_)?(service_(host|port)|port)(_.*)?")
"""What Kubernetes itself puts into a pod's environment for a Service named doublegate-operator."""
_DNS_NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"


class InvalidSettings(DoublegateError):
    """A setting that is not valid; the message has one line per variable."""


class Settings(BaseModel):
    """What an environment variable says, with its prefix and in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pod_name: str = Field(default_factory=socket.gethostname, min_length=1, max_length=253)
    """Who holds the lease; two operators must differ in it."""

    pod_namespace: str = Field("doublegate-system", pattern=_DNS_NAME)
    """Where the lease is, and the namespace that is watched when none is named."""

    watch_namespaces: tuple[str, ...] = ()
    """Names with commas between them, or `*` for all; none is the operator's own."""

    consumer_image: str | None = None
    """For resources without `spec.image`; none is refused then."""

    lease_name: str = Field("doublegate-operator", pattern=_DNS_NAME)
    """Name of the lease; the operators of one release share it."""

    metrics_port: int = Field(8081, ge=0, le=65535)
    """`/livez`, `/readyz` and `/metrics`; 0 takes a free port."""

    resync: float = Field(30.0, ge=1, le=3600)
    """Seconds between two lists of all that is watched: what a broken watch misses is found by then."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least level that is written."""

    @field_validator("watch_namespaces", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        return tuple(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))

    @field_validator("watch_namespaces")
    @classmethod
    def _names(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in given and len(given) > 1:
            raise ValueError("'*' is all namespaces; name no other beside it")
        for name in given:
            if name != "*" and not _DNS_LABEL.fullmatch(name):
                raise ValueError(f"{name!r} is no namespace's name")
        return given

    @field_validator("consumer_image", mode="before")
    @classmethod
    def _nothing(cls, given: object) -> object:
        return given or None

    @property
    def namespaces(self) -> tuple[str, ...] | None:
        """Those that are watched; None for all."""
        if self.watch_namespaces == ("*",):
            return None
        return self.watch_namespaces or (self.pod_namespace,)

    @property
    def core(self) -> OperatorSettings:
        """The part that plans depend on."""
        return OperatorSettings(consumer_image=self.consumer_image, operator_namespace=self.pod_namespace)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read them.

        Raises:
            InvalidSettings: names each variable, what was given and what is allowed.
        """
        ours = {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(_PREFIX)
        }
        given = {
            name: value
            for name, value in ours.items()
            if name in cls.model_fields or not _SERVICE_LINK.fullmatch(name)
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = [_line(problem["loc"], problem["msg"], problem["input"]) for problem in error.errors()]
        raise InvalidSettings("\n".join(lines))


def _line(path: tuple[int | str, ...], text: str, given: object) -> str:
    name = f"{_PREFIX}{str(path[0]).upper()}"
    if text.startswith("Extra inputs"):
        known = ", ".join(f"{_PREFIX}{field.upper()}" for field in Settings.model_fields)
        return f"{name} is no setting; they are {known}"
    return f"{name}: given {given!r}; {text.removeprefix('Value error, ')}"
