"""The Secrets that a resource names, as files for as long as one look takes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from doublegate.contract.errors import SecretUnavailable
from doublegate.contract.resource import IdempotentConsumer
from doublegate_operator.core.config import secret_refs
from doublegate_operator.core.facts import Failure
from doublegate_operator.core.reasons import Reason

__all__ = ["SecretFolder", "SecretReader", "secret_failure"]


class SecretReader(Protocol):
    """Reads Secrets; `Kube` does."""

    async def get_secret(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """With its values in base64; None when there is none."""


class SecretFolder:
    """A private folder with `<ref>/<key>`, as pods mount them; it is gone when the block is left.

    Args:
        reader: of Secrets.
        consumer: the resource that names them.
    """

    def __init__(self, reader: SecretReader, consumer: IdempotentConsumer) -> None:
        self._reader = reader
        self._namespace = consumer.metadata.namespace
        self._refs = secret_refs(consumer.spec)
        self._root: Path | None = None

    async def __aenter__(self) -> tuple[Path, Mapping[str, str | None]]:
        found = {ref: await self._reader.get_secret(self._namespace, ref) for ref in self._refs}
        root = Path(tempfile.mkdtemp(prefix="doublegate-"))  # which only we may enter
        self._root = root
        try:
            await asyncio.to_thread(_write, root, found)
        except BaseException:
            self._remove()
            raise
        return root, {ref: None if raw is None else _fingerprint(raw) for ref, raw in found.items()}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)


def secret_failure(error: SecretUnavailable, root: Path, ref: str | None) -> Failure:
    """What is wrong with a Secret, in words of the cluster instead of our folder's."""
    field = str(error).partition(":")[0]
    if ref is not None and not (root / ref).is_dir():
        return Failure(
            Reason.SECRET_MISSING,
            f"{field}: Secret {ref} is missing; create it in the namespace of the resource.",
        )
    text = str(error).replace(f"{root}/{ref}/", f"Secret {ref}, key ").replace(str(root), "Secrets")
    return Failure(Reason.SECRET_INVALID, f"{text}.")


def _write(root: Path, found: Mapping[str, Mapping[str, Any] | None]) -> None:
    for ref, raw in found.items():
        if raw is None:
            continue
        folder = root / ref
        folder.mkdir(mode=0o700)
        for key, value in (raw.get("data") or {}).items():
            path = folder / key
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(value or ""))


def _fingerprint(raw: Mapping[str, Any]) -> str:
    """Another one for another content.

    It becomes part of a hash that everybody sees who sees pods. The Secret's uid goes into it, which only
    those can see who may read the Secret: nobody else can try passwords on it.
    """
    digest = hashlib.blake2b(key=str(raw["metadata"].get("uid") or "").encode(), digest_size=16)
    for key, value in sorted((raw.get("data") or {}).items()):
        digest.update(f"{key}={value}\n".encode())
    return digest.hexdigest()
