"""The consistency token: which event a write became, as a short text for a cookie, a header or a URL.

`Producer.write` makes tokens, `Tokens` turns them into text and back. The text is base64url without
padding: a kind, the partition and the offset as varints, the topic, the event id, and under a key the first
16 bytes of an HMAC-SHA256 over all of that.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from doublegate.contract.errors import DoublegateError
from doublegate.contract.identity import MAX_ID_BYTES
from doublegate.contract.wire_bytes import varint

__all__ = ["MAX_TOKEN_CHARACTERS", "UNKNOWN_OFFSET", "Token", "Tokens", "UnusableToken"]

UNKNOWN_OFFSET: Final = 2**63 - 1
"""No watermark reaches it: only the event's own entry or row says that it is applied."""

MAX_TOPIC_BYTES: Final = 249
_MAC_BYTES: Final = 16
_MIN_KEY_BYTES: Final = 16
_PLAIN, _SIGNED = b"\x01", b"\x02"
"""The kind is the version as well: another layout gets other kinds, and these stay refused or readable."""
_CONTEXT: Final = b"doublegate consistency token"
"""Signed along, so that a key with a second use can't be made to sign tokens."""
_MAX_BYTES: Final = 1 + 5 + 9 + 1 + MAX_TOPIC_BYTES + MAX_ID_BYTES + _MAC_BYTES
MAX_TOKEN_CHARACTERS: Final = -(-_MAX_BYTES * 4 // 3)


class UnusableToken(DoublegateError):
    """The text is no token of ours: go on as if there were none."""


@dataclass(frozen=True, slots=True)
class Token:
    """One acknowledged write.

    Attributes:
        topic: where it was published.
        partition: its partition.
        offset: its offset, or `UNKNOWN_OFFSET`.
        event_id: its `correlation_id`.
    """

    topic: str
    partition: int
    offset: int
    event_id: str


class Tokens:
    """Tokens as text and back.

    Args:
        key: signs them, at least 16 bytes, the same in every process. Without one anybody can make a token,
            and with it make readers wait and ask the primary.
        also: keys whose tokens are taken, too: the next one and the last one while a key is changed.
    """

    def __init__(self, key: bytes | None = None, *, also: Sequence[bytes] = ()) -> None:
        if key is None and also:
            raise ValueError("further keys without a key: give the one that signs, too")
        self._key = key
        self._taken = () if key is None else (key, *also)
        for one in self._taken:
            if len(one) < _MIN_KEY_BYTES:
                raise ValueError(f"the key has {len(one)} bytes; use at least {_MIN_KEY_BYTES} random ones")

    def encode(self, token: Token) -> str:
        """The token as text of `A-Z a-z 0-9 - _`."""
        body = self._body(token)
        return _text(body if self._key is None else body + _mac(body, self._key))

    def decode(self, text: str) -> Token:
        """The token that `encode` made such a text of.

        Raises:
            UnusableToken: anything else, a token under another key among it.
        """
        if len(text) > MAX_TOKEN_CHARACTERS:
            raise UnusableToken(f"a token of {len(text)} characters is none; go on without it")
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
            body = self._verified(raw)
            partition, at = _read_varint(body, 1, 31)
            offset, at = _read_varint(body, at, 63)
            end = at + 1 + body[at]
            topic, event_id = body[at + 1 : end].decode(), body[end:].decode()
        except (ValueError, IndexError, binascii.Error) as error:
            raise UnusableToken(f"not a token, or damaged ({error}); go on without it") from error
        token = Token(topic, partition, offset, event_id)
        # base64 and varints have several ways to write one thing; only ours is taken
        if not (topic and event_id) or self._body(token) != body or _text(raw) != text:
            raise UnusableToken("not a token as this library writes it; go on without it")
        return token

    def _verified(self, raw: bytes) -> bytes:
        if self._key is None:
            if raw[:1] != _PLAIN:
                raise ValueError("it is signed, and there is no key here" if raw[:1] == _SIGNED else "kind")
            return raw
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if body[:1] != _SIGNED or not any(hmac.compare_digest(mac, _mac(body, key)) for key in self._taken):
            raise ValueError("its signature is missing or not of this key")
        return body

    def _body(self, token: Token) -> bytes:
        topic = token.topic.encode()
        return b"".join(
            (
                _PLAIN if self._key is None else _SIGNED,
                varint(token.partition),
                varint(token.offset),
                bytes((len(topic),)),
                topic,
                token.event_id.encode(),
            )
        )


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _CONTEXT + body, "sha256")[:_MAC_BYTES]


def _read_varint(data: bytes, at: int, bits: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift >= bits:
            raise ValueError("a number is too large")
    if value.bit_length() > bits:
        raise ValueError("a number is too large")
    return value, at
