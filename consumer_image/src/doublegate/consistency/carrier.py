"""How tokens travel with HTTP: one header or cookie, a few tokens joined by dots."""

from collections.abc import Iterable, Sequence
from typing import Final

from doublegate.consistency.token import Token, Tokens, UnusableToken

__all__ = ["NAME", "join", "read", "set_cookie"]

NAME: Final = "doublegate-consistency"
"""Of the header and of the cookie."""
_MAX_CHARACTERS: Final = 2000
"""Of all tokens together: about twenty of the usual length, two of the longest. Browsers keep 4096."""
_COOKIE_SECONDS: Final = 86_400

RawHeaders = Iterable[tuple[bytes, bytes]]


def read(headers: RawHeaders, tokens: Tokens) -> tuple[Token, ...]:
    """The tokens of a request, oldest first; what is none of ours is left out, and each is there once."""
    found: dict[Token, None] = {}
    for text in _texts(headers):
        for part in text[:_MAX_CHARACTERS].split("."):
            try:
                found[tokens.decode(part)] = None
            except UnusableToken:
                continue
    return tuple(found)


def join(held: Sequence[Token], tokens: Tokens) -> str:
    """The tokens as one text. What does not fit is left out, from the oldest on."""
    parts: list[str] = []
    room = _MAX_CHARACTERS
    for token in reversed(list(dict.fromkeys(held))):
        part = tokens.encode(token)
        if len(part) > room:
            break
        parts.append(part)
        room -= len(part) + 1
    return ".".join(reversed(parts))


def set_cookie(text: str, *, secure: bool) -> str:
    """The value of `Set-Cookie`: for this site's own requests, and out of reach of its scripts."""
    flags = f"; Path=/; Max-Age={_COOKIE_SECONDS}; HttpOnly; SameSite=Lax"
    return f"{NAME}={text}{flags}{'; Secure' if secure else ''}"


def _texts(headers: RawHeaders) -> Iterable[str]:
    for name, value in headers:
        text = value.decode("latin-1")
        if name == NAME.encode():
            yield text.strip()
        elif name == b"cookie":
            for pair in text.split(";"):
                key, _, content = pair.strip().partition("=")
                if key == NAME:
                    yield content
