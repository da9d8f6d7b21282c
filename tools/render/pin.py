"""Changes the digest of one image in `images/kustomization.yaml`, and leaves all else there as it stands."""

from __future__ import annotations

import re

__all__ = ["PinError", "pinned"]

_REFERENCE = re.compile(r"(?P<name>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")


class PinError(Exception):
    """It can't be pinned; the message says why, and what would do."""


def pinned(text: str, reference: str) -> str:
    """The file's text with the reference's digest.

    Raises:
        PinError: it is no reference by digest, or of an image that the trees do not use.
    """
    given = _REFERENCE.fullmatch(reference)
    if given is None:
        raise PinError(f"given {reference!r}; allowed: an image by its digest, name@sha256:...")
    line = re.compile(rf"(- name: {re.escape(given['name'])}\n +digest: )\S+")
    changed, count = line.subn(rf"\g<1>{given['digest']}", text)
    if count != 1:
        names = ", ".join(re.findall(r"- name: (\S+)", text))
        raise PinError(f"no tree uses {given['name']}; images/kustomization.yaml has {names}")
    return changed
