"""Certificates and kubeconfigs: who they name, who may read them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.cluster import certificates, layout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cluster's."""
    made = tmp_path_factory.mktemp("cluster") / "pki"
    certificates.write(made)
    return made


def load(pki: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((pki / f"{name}.crt").read_bytes())


def test_only_the_owner_reads_keys(pki: Path) -> None:
    assert pki.stat().st_mode & 0o777 == 0o700
    keys = sorted(path for path in pki.iterdir() if path.suffix == ".key")
    assert len(keys) > 8
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


@pytest.mark.parametrize("client", certificates.CLIENTS, ids=lambda client: client.name)
def test_a_client_is_user_and_group(pki: Path, client: certificates.Client) -> None:
    found = load(pki, client.name)
    [user] = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    groups = found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert user.value == client.user
    if client.group is not None:
        assert [group.value for group in groups] == [client.group]
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in usage
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert all(name.endswith(".invalid") for name in names.get_values_for_type(x509.DNSName))


def test_the_api_server_is_known_by_all_of_its_names(pki: Path) -> None:
    names = load(pki, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {layout.NODE_ADDRESS, layout.API_SERVICE_ADDRESS} <= addresses
    assert "kubernetes.default.svc.cluster.local" in names.get_values_for_type(x509.DNSName)


def test_the_kinds_of_trust_have_authorities_of_their_own(pki: Path) -> None:
    signers = {name: load(pki, name).issuer for name in ("admin", "etcd", "front", "keda")}
    assert len(set(signers.values())) == 4
    assert load(pki, "etcd-ca").subject == signers["etcd"]
    assert load(pki, "ca").subject == signers["admin"]


def test_a_kubeconfig_is_complete_in_itself(pki: Path) -> None:
    config = yaml.safe_load(certificates.kubeconfig(pki, "admin"))
    [cluster], [user] = config["clusters"], config["users"]
    assert cluster["cluster"]["server"] == f"https://{layout.NODE_ADDRESS}:{layout.API_PORT}"
    held = base64.b64decode(user["user"]["client-certificate-data"])
    assert held == (pki / "admin.crt").read_bytes()
    assert config["current-context"] == config["contexts"][0]["name"]
