"""The page of the trees says which Secrets to create, exactly, and names what is there."""

from __future__ import annotations

import re

from doublegate.contract.scope import scope_tag
from doublegate.gate.ledger_server import ACL_COMMANDS
from infra.components.valkey import ValkeyArgs, access_list
from infra.credentials import hosts
from tests.unit.gitops.files import APPLIED, README, documents, table, walk
from tools.render.platform import GITOPS, made, settings
from tools.render.trees import TREES

TOLD = table("| Secret | keys |")


def test_it_names_every_secret_with_its_keys() -> None:
    found = {
        one.object["metadata"]["name"]: sorted(one.object["stringData"])
        for one in made(settings())
        if one.object["kind"] == "Secret"
    }
    assert found == TOLD


def test_every_secret_that_a_tree_refers_to_is_named() -> None:
    referred: set[str] = set()
    for one in (
        one for tree in APPLIED for one in documents(tree) if one["kind"] != "CustomResourceDefinition"
    ):
        for key, value in walk(one):
            if key in {"secretName", "secretRef", "securityRef"}:
                referred.add(value)
            elif key == "secretKeyRef":
                assert value["key"] in TOLD[value["name"]]
                referred.add(value["name"])
    assert referred <= set(TOLD)


def test_the_access_list_is_the_program_s() -> None:
    chosen = settings()
    assert chosen.ledger.standalone is not None
    [shown] = re.findall(r"^user default off\n.*?(?=^```)", README, re.DOTALL | re.MULTILINE)
    passwords = chosen.secrets.passwords
    args = ValkeyArgs(
        chosen.ledger.standalone,
        "",
        None,
        None,
        {"payments": "payments"},
        passwords["ledger"],
        {"payments": passwords["ledger-payments"]},
    )
    written = re.sub(r"#[0-9a-f]{64}", "#SHA256", access_list(args))
    head, commands = written.split(" -@all ")
    assert f"{head} -@all COMMANDS\n" == shown
    assert set(commands.replace("+", "").split()) == {*ACL_COMMANDS, "select"}
    assert scope_tag("payments") in README


def test_the_names_in_certificates_are_the_program_s() -> None:
    names = {name for server in ("kafka", "ledger") for name in hosts(server, "doublegate")} - {"localhost"}
    plain = {name for name in names if not name.startswith("*.") and "." not in name}
    told = README.split("Names: ")[1].split(", each")[0]
    assert set(re.findall(r"`([\w-]+)`", told)) == plain - {"kafka-kafka-bootstrap", "kafka-kafka-brokers"}
    for end in ("", ".doublegate", ".doublegate.svc", ".doublegate.svc.cluster.local"):
        assert f"valkey{end}" in names
        assert not end or f"`{end}`" in README


def test_it_names_every_folder_in_their_order() -> None:
    assert [name for name in table("| folder | what | after |") if name in TREES] == list(TREES)
    for name in table("| folder | what | after |"):
        assert (GITOPS / name).is_dir()


def test_what_its_commands_apply_is_there() -> None:
    for name in re.findall(r"--(?:filename|kustomize) deploy/gitops/([\w./-]+\w)", README):
        assert (GITOPS / name).exists(), name
