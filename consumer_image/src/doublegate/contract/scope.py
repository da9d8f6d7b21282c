"""How a scope is told in the ledger's keys: what a Redis ACL and the operator need to know of them."""

from base64 import b32encode

from xxhash import xxh3_64_digest

__all__ = ["owner_key", "scope_name", "scope_tag"]

_TAG_LENGTH = 4


def scope_tag(scope: str) -> str:
    """The first 4 characters of every key of the scope."""
    return b32encode(xxh3_64_digest(scope.encode())).decode()[:_TAG_LENGTH].lower()


def scope_name(scope: str) -> bytes:
    """The scope in the names of its own hashes, which no other scope shares: 16 hexadecimal digits."""
    return xxh3_64_digest(scope.encode(), seed=1).hex().encode()


def owner_key(scope: str) -> bytes:
    """The key that says whose the scope is: JSON with uid, namespace and name of the resource."""
    return scope_tag(scope).encode() + b"{0}o" + scope_name(scope)
