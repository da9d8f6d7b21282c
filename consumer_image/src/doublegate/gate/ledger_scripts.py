"""The ledger's Lua scripts, read from the package once; each is a prelude and one step."""

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files

__all__ = [
    "CLAIM",
    "FINISH",
    "HOLD",
    "LINES",
    "PARK",
    "RAISE",
    "REGISTER",
    "SCRIPTS",
    "TAKE",
    "UNPARK",
    "Script",
]


@dataclass(frozen=True, slots=True)
class Script:
    """One script as the server knows it."""

    name: str
    source: bytes
    sha: str


def _load(name: str, flags: str = "") -> Script:
    folder = files("doublegate.gate") / "lua"
    shebang = b"#!lua " + flags.encode() if flags else b"#!lua"
    parts = [shebang, (folder / "prelude.lua").read_bytes(), (folder / f"{name}.lua").read_bytes()]
    source = b"\n".join(parts)
    return Script(name, source, sha1(source, usedforsecurity=False).hexdigest())


_AT_FULL_MEMORY = "flags=allow-oom"
CLAIM = _load("claim")
FINISH = _load("finish", _AT_FULL_MEMORY)
REGISTER = _load("register", _AT_FULL_MEMORY)
TAKE = _load("take", _AT_FULL_MEMORY)
RAISE = _load("raise", _AT_FULL_MEMORY)
HOLD = _load("hold", _AT_FULL_MEMORY)
PARK = _load("park", _AT_FULL_MEMORY)
UNPARK = _load("unpark", _AT_FULL_MEMORY)
LINES = _load("lines", _AT_FULL_MEMORY)
SCRIPTS = (CLAIM, FINISH, REGISTER, TAKE, RAISE, HOLD, PARK, UNPARK, LINES)
