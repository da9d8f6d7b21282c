"""What the operator itself was told, as far as plans depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["OperatorSettings"]


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Settings of the operator.

    Attributes:
        consumer_image: image for consumers that name none, such as those with an HTTP handler.
        operator_namespace: where the operator's pods are.
        operator_labels: of the operator's pods, which ask consumers' pods for their status.
    """

    consumer_image: str | None = None
    operator_namespace: str = "doublegate-system"
    operator_labels: Mapping[str, str] = field(
        default_factory=lambda: {"app.kubernetes.io/name": "doublegate-operator"}
    )
