"""Whose a group is: one key in the ledger, written by compare-and-set."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from redis.exceptions import NoPermissionError, ResponseError

from doublegate.contract.resource import IdempotentConsumer
from doublegate.contract.scope import owner_key
from doublegate_operator.core.facts import Binding, Failure, LedgerFacts
from doublegate_operator.core.reasons import Reason
from doublegate_operator.core.wanted import BindGroup
from doublegate_operator.shell.ledger_client import LedgerClient, nodes_of, with_ledger
from doublegate_operator.shell.parts import Alive

__all__ = ["bind_group", "observe_ledger"]

_BIND: Final = """
local holder = ''
local written = redis.call('GET', KEYS[1])
if written then
  local ok, owner = pcall(cjson.decode, written)
  if not ok or type(owner) ~= 'table' then return 'unreadable' end
  holder = tostring(owner.uid)
end
if holder ~= ARGV[2] and holder ~= ARGV[3] then return holder end
redis.call('SET', KEYS[1], ARGV[1])
return ''
"""
"""The key; the new owner, the uid that must stand there (empty: nobody's), the new owner's uid.

Returns nothing when it is the new owner's now, and else the uid of whose it is.
"""
_SAFE = "noeviction"


async def observe_ledger(consumer: IdempotentConsumer, root: Path, alive: Alive) -> LedgerFacts | Failure:
    """The group's binding and whether the server may throw entries away."""
    facts = await asyncio.to_thread(
        with_ledger, consumer.spec.ledger, root, lambda client: _observe(client, consumer)
    )
    if isinstance(facts, Failure) or facts.binding is None:
        return facts
    binding = facts.binding
    ours = binding.uid == consumer.metadata.uid
    lives = True if ours else await alive(binding.namespace, binding.name, binding.uid)
    return replace(facts, binding=replace(binding, alive=lives))


async def bind_group(consumer: IdempotentConsumer, root: Path, bind: BindGroup) -> Failure | None:
    """Make the group this resource's, if it still is whose it was; a second time it changes nothing."""
    return await asyncio.to_thread(
        with_ledger, consumer.spec.ledger, root, lambda client: _bind(client, consumer, bind)
    )


def _observe(client: LedgerClient, consumer: IdempotentConsumer) -> LedgerFacts | Failure:
    key = owner_key(consumer.spec.kafka.group)
    untyped: Any = client  # redis-py's commands are typed for both of its worlds at once
    written: bytes | None = untyped.get(key)
    binding = None if written is None else _read(written, key.decode())
    if isinstance(binding, Failure):
        return binding
    return LedgerFacts(binding, _policy(client))


def _read(written: bytes, key: str) -> Binding | Failure:
    try:
        owner = json.loads(written)
        return Binding(str(owner["uid"]), str(owner["namespace"]), str(owner["name"]), None)
    except (ValueError, TypeError, KeyError):
        return _unreadable(key)


def _unreadable(key: str) -> Failure:
    return Failure(
        Reason.LEDGER_REFUSED,
        f"The ledger's key {key}, which says whose the group is, holds something else. If no "
        "other pods use the group, delete that key.",
    )


def _policy(client: LedgerClient) -> str | None:
    """The one that loses entries, if a node has such; None when no node may be asked."""
    found = [policy for node in nodes_of(client) if (policy := _policy_of(node)) is not None]
    return next((policy for policy in found if policy != _SAFE), found[0] if found else None)


def _policy_of(node: Any) -> str | None:
    # Managed servers often forbid CONFIG and show the same in INFO.
    try:
        policy = node.config_get("maxmemory-policy").get("maxmemory-policy")
    except (NoPermissionError, ResponseError):
        policy = None
    if policy is None:
        try:
            policy = node.info("memory").get("maxmemory_policy")
        except (NoPermissionError, ResponseError):
            return None
    return None if policy is None else str(policy)


def _bind(client: LedgerClient, consumer: IdempotentConsumer, bind: BindGroup) -> Failure | None:
    group, meta = consumer.spec.kafka.group, consumer.metadata
    key = owner_key(group)
    owner = json.dumps({"uid": bind.uid, "namespace": meta.namespace, "name": meta.name})
    untyped: Any = client
    holder: bytes = untyped.eval(_BIND, 1, key, owner, bind.former or "", bind.uid)
    if not holder:
        return None
    if holder == b"unreadable":
        return _unreadable(key.decode())
    return Failure(
        Reason.GROUP_TAKEN,
        f"Group {group} became another resource's (uid {holder.decode()}) at the same moment.",
    )
