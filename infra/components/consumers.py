"""Consumers: their resources and the Secrets with their users of the stack's own servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.components.base import Part, Place, hidden
from infra.consumers import Resource
from infra.objects import labels, secret
from infra.sections import Text

__all__ = ["Consumer", "ConsumerArgs"]


@dataclass(frozen=True)
class ConsumerArgs:
    """What a consumer needs.

    Attributes:
        resource: complete.
        ready_seconds: how long to wait for it.
        kafka_password: of its user; None without one.
        ledger_password: of its user; None without one.
        kafka_authority: whom it trusts; None for plain text.
        ledger_authority: whom it trusts; None for plain text.
        after: what it needs to become Ready.
        explain: says why it did not.
    """

    resource: Resource
    ready_seconds: int
    kafka_password: Text | None
    ledger_password: Text | None
    kafka_authority: Text | None
    ledger_authority: Text | None
    after: Sequence[pulumi.Resource]
    explain: pulumi.ErrorHook | None


class Consumer(Part):
    """One consumer."""

    def __init__(
        self, name: str, place: Place, args: ConsumerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("Consumer", name, place.provider, place.namespace, [place.ready], opts)
        before: list[pulumi.Resource] = []
        if args.kafka_password is not None:
            scram = {"security-protocol": "SASL_SSL", "sasl-mechanism": "SCRAM-SHA-512"}
            login = {**_login(name, args.kafka_password, args.kafka_authority), **scram}
            before.append(self.make(secret(f"{name}-kafka", login, part=name)))
        if args.ledger_password is not None:
            data = _login(name, args.ledger_password, args.ledger_authority)
            before.append(self.make(secret(f"{name}-ledger", data, part=name)))
        # `pulumi up` ends when events flow; the operator sets Ready=False first, so it never is stale.
        waiting = {
            "pulumi.com/waitFor": "condition=Ready",
            "pulumi.com/timeoutSeconds": str(args.ready_seconds),
        }
        metadata = {"name": name, "labels": labels(name), "annotations": waiting}
        bound = pulumi.ResourceHookBinding(on_error=[args.explain]) if args.explain else None
        hooks = pulumi.ResourceOptions(hooks=bound)
        self.make({**args.resource, "metadata": metadata}, after=[*before, *args.after], options=hooks)
        self.register_outputs({})


def _login(user: str, password: Text, authority: Text | None) -> Mapping[str, Any]:
    data: dict[str, Any] = {"username": user, "password": hidden(password)}
    return data if authority is None else {**data, "ca.crt": hidden(authority)}
