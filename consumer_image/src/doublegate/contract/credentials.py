"""Who we are and whom we trust: logins and certificates out of a secret's files."""

from dataclasses import dataclass
from typing import Self

from pydantic import SecretStr

from doublegate.contract.secrets import SecretFiles

__all__ = ["Login", "Tls"]


@dataclass(frozen=True, slots=True)
class Login:
    """A user and its password; Redis knows passwords without a user."""

    username: str | None
    password: SecretStr

    @classmethod
    def read(cls, secret: SecretFiles, *, user_optional: bool = False) -> "Login | None":
        """From the secret's `username` and `password`; None when neither is there."""
        username, password = secret.get("username"), secret.get("password")
        if password is None and username is not None:
            raise secret.refuse("password", "is missing; username is there and needs it")
        if password is None:
            return None
        if username is None and not user_optional:
            raise secret.refuse("username", "is missing; password is there and needs it")
        return cls(None if username is None else username.get_secret_value(), password)


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate files; the system's authorities when `ca` is None."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @classmethod
    def read(cls, secret: SecretFiles) -> Self:
        """From the secret's `ca.crt`, `tls.crt` and `tls.key`."""
        tls = cls(secret.path("ca.crt"), secret.path("tls.crt"), secret.path("tls.key"))
        if (tls.certificate is None) != (tls.key is None):
            absent, there = ("tls.crt", "tls.key") if tls.certificate is None else ("tls.key", "tls.crt")
            raise secret.refuse(absent, f"is missing; {there} is there and needs it")
        return tls

    @classmethod
    def read_for_url(cls, secret: SecretFiles, url: str, scheme: str) -> Self:
        """The same, for a URL that decides by its scheme whether TLS is spoken."""
        tls = cls.read(secret)
        if tls != cls() and not url.startswith(scheme):
            raise secret.refuse("ca.crt", f"or tls.crt is there, but {url} speaks no TLS; make it {scheme}")
        return tls

    def named(self, ca: str, certificate: str, key: str) -> dict[str, str]:
        """The files that are there, under a client's names for them."""
        named = {ca: self.ca, certificate: self.certificate, key: self.key}
        return {name: path for name, path in named.items() if path is not None}
