"""The scope in the ledger's keys."""

from __future__ import annotations

import re

from doublegate.contract.scope import owner_key, scope_tag
from doublegate.gate.ledger_keys import ScopeKeys


def test_the_owners_key_is_within_what_an_acl_lets_the_scope_have() -> None:
    assert re.fullmatch(rb"[a-z2-7]{4}\{0\}o[0-9a-f]{16}", owner_key("payments"))
    assert owner_key("payments").startswith(scope_tag("payments").encode())


def test_the_owners_key_is_no_other_key_of_the_scope() -> None:
    keys = ScopeKeys.of("payments", 1)
    others = {keys.sessions(0), keys.epochs(0), keys.watermarks(0), keys.grants(0)}
    assert owner_key("payments") not in others
    assert {other.removeprefix(keys.prefixes[0])[1:] for other in others} == {owner_key("payments")[8:]}


def test_two_scopes_have_two_owners() -> None:
    assert owner_key("payments") != owner_key("payment")
