"""Numbers and names as bytes, for what is written beside the events."""

from typing import Protocol

__all__ = ["KafkaUuid", "uuid_bytes", "varint"]

_HALF = (1 << 64) - 1


class KafkaUuid(Protocol):
    """A topic's uuid as the client gives it: two signed halves."""

    def get_most_significant_bits(self) -> int:
        """The first 64 bits."""

    def get_least_significant_bits(self) -> int:
        """The last 64 bits."""


def uuid_bytes(uuid: KafkaUuid) -> bytes:
    """The 16 bytes of a topic's uuid."""
    halves = (uuid.get_most_significant_bits(), uuid.get_least_significant_bits())
    return b"".join((half & _HALF).to_bytes(8) for half in halves)


def varint(value: int) -> bytes:
    """A number that is not negative, 7 bits in a byte, the lowest first (LEB128)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
