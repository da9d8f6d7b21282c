"""Secrets as files, `<root>/<name>/<key>`: as Kubernetes mounts them, and as any machine can keep them.

The root is `/etc/doublegate/secrets`, or what the environment variable DOUBLEGATE_SECRETS says.
"""

import os
from pathlib import Path

from pydantic import SecretStr

from doublegate.contract.errors import SecretUnavailable

__all__ = ["ROOT_VARIABLE", "SecretFiles", "secrets_root"]

ROOT_VARIABLE = "DOUBLEGATE_SECRETS"
_ROOT = "/etc/doublegate/secrets"


def secrets_root() -> Path:
    """The folder with one folder per secret."""
    return Path(os.environ.get(ROOT_VARIABLE) or _ROOT)


class SecretFiles:
    """The keys of one secret; of none when the resource names none.

    Args:
        ref: the secret's name in the resource, or None.
        field: the field that names it, for messages.
        root: the folder with one folder per secret; `secrets_root()` when absent.

    Raises:
        SecretUnavailable: it is named and not there.
    """

    def __init__(self, ref: str | None, field: str, root: Path | None = None) -> None:
        self._field = field
        self._folder = None if ref is None else (root or secrets_root()) / ref
        if self._folder is not None and not self._folder.is_dir():
            raise SecretUnavailable(
                f"{field}: there is no folder {self._folder}; on Kubernetes create the Secret {ref} "
                "beside the "
                f"consumer, elsewhere make the folder with one file per key, or set {ROOT_VARIABLE} to "
                "its parent"
            )

    def path(self, key: str) -> str | None:
        """The file of a key, for clients that read it themselves; None when it is not there."""
        path = None if self._folder is None else self._folder / key
        return str(path) if path is not None and path.is_file() else None

    def get(self, key: str) -> SecretStr | None:
        """The value of a key without the line end that editors add; None when it is not there.

        Raises:
            SecretUnavailable: the file is empty, not readable or not UTF-8.
        """
        path = self.path(key)
        if path is None:
            return None
        try:
            value = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise self.refuse(key, f"cannot be read: {error.strerror}; give this user the right to") from None
        except UnicodeDecodeError:
            raise self.refuse(key, "is not UTF-8 text; write it again as that") from None
        if not value:
            raise self.refuse(key, "is empty; fill it or remove it")
        return SecretStr(value)

    def choose(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """A key that is no secret but one of a few words."""
        value = self.get(key)
        if value is None:
            return default
        if value.get_secret_value() not in choices:
            # Not shown: whoever mixed up the files may have put the password here.
            raise self.refuse(key, f"holds something else than is allowed: {', '.join(choices)}")
        return value.get_secret_value()

    def refuse(self, key: str, text: str) -> SecretUnavailable:
        """An error about one key that names its file."""
        return SecretUnavailable(f"{self._field}: {self._folder}/{key} {text}")
