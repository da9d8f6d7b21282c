"""Passwords and certificates: what is missing is made, what is there stays, and servers prove their names."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from infra.certificates import Signed, new_authority, sign
from infra.credentials import hosts, lacking
from infra.settings import InvalidSettings, read_settings
from tests.unit.infra.stacks import configuration, encoded


def without_secrets(stack: str) -> dict[str, object]:
    values = configuration(stack)
    del values["secrets"]
    return values


def nested(made: dict[str, str]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for path, value in made.items():
        *parents, last = path.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {})  # type: ignore[assignment]
        node[last] = value
    return tree


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_what_is_made_completes_the_stack_and_nothing_is_made_twice(stack: str) -> None:
    values = without_secrets(stack)
    made = lacking(encoded(values))
    values["secrets"] = nested(made)
    assert read_settings(encoded(values), frozenset({"secrets"}))
    assert lacking(encoded(values)) == {}
    assert any(path.startswith("certificates.") for path in made) is (stack == "prod")


def test_passwords_differ_and_are_long() -> None:
    made = [value for path, value in lacking(encoded(without_secrets("prod"))).items() if "passwords" in path]
    assert len(set(made)) == len(made) == 6
    assert min(map(len, made)) >= 32


def test_a_wrong_section_is_refused_before_anything_is_made() -> None:
    values = without_secrets("dev")
    values["kafka"] = {"standalone": {"brokers": 2, "secure": False}}
    with pytest.raises(InvalidSettings, match=r"kafka\.standalone\.brokers: given 2"):
        lacking(encoded(values))


def test_a_client_believes_a_server_by_its_name_alone(tmp_path: Path) -> None:
    authority = new_authority("doublegate")
    server = sign(authority, "doublegate-kafka", hosts("kafka", "shop"))
    assert shake_hands(tmp_path, authority, server, "kafka-2.kafka-brokers.shop.svc") is None
    assert shake_hands(tmp_path, authority, server, "kafka.shop.svc") is None
    assert "Hostname mismatch" in str(shake_hands(tmp_path, authority, server, "kafka.other.svc"))
    assert "verify failed" in str(
        shake_hands(tmp_path, new_authority("doublegate"), server, "kafka.shop.svc")
    )
    subject = x509.load_pem_x509_certificate(server.certificate.encode()).subject
    assert [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [
        "doublegate-kafka"
    ]


def shake_hands(folder: Path, authority: Signed, server: Signed, name: str) -> Exception | None:
    (folder / "server.pem").write_text(server.key + server.certificate)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "server.pem")
    asking = ssl.create_default_context(cadata=authority.certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname=name)
    answering = serving.wrap_bio(to_server, to_client, server_side=True)
    done: set[object] = set()
    for _ in range(10):
        for side in (client, answering):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error
    assert done == {client, answering}
    return None
