"""`python -m tools.render`: what it writes, what it finds stale, and the digest that it sets."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tools.render import __main__ as command
from tools.render.pin import PinError, pinned
from tools.render.platform import GITOPS, Made
from tools.render.trees import trees

DIGEST = "sha256:" + "a1" * 32


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trees, to be spoiled."""
    folder = tmp_path / "gitops"
    shutil.copytree(GITOPS, folder)
    known = command.rendered()
    monkeypatch.setattr(command, "GITOPS", folder)
    monkeypatch.setattr(command, "IMAGES", folder / "images" / "kustomization.yaml")
    monkeypatch.setattr(command, "rendered", lambda: known)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["render", *arguments])
    return command.main()


def test_what_was_changed_by_hand_is_found_and_put_right(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--check") == 0
    changed, more, gone = (
        copy / path for path in ("platform/kafka.yaml", "consumers/mails.yaml", "crds/kustomization.yaml")
    )
    before = changed.read_text()
    changed.write_text(before.replace("replicas: 3", "replicas: 1"))
    more.write_text("kind: ConfigMap\n")
    gone.unlink()
    assert run(monkeypatch, "--check") == 1
    told = capsys.readouterr().err.splitlines()
    assert sorted(line.partition(" is stale: run `make render`")[0] for line in told) == sorted(
        map(str, (changed, more, gone))
    )
    assert run(monkeypatch) == 0
    assert run(monkeypatch, "--check") == 0
    assert changed.read_text() == before
    assert not more.exists()


def test_one_command_sets_a_digest_and_changes_one_line(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (copy / "images" / "kustomization.yaml").read_text().splitlines()
    assert run(monkeypatch, "--pin", f"docker.io/valkey/valkey@{DIGEST}") == 0
    after = (copy / "images" / "kustomization.yaml").read_text().splitlines()
    [line] = [number for number, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    assert after[line - 1 : line + 1] == ["  - name: docker.io/valkey/valkey", f"    digest: {DIGEST}"]
    assert run(monkeypatch, "--check") == 0


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (
            f"docker.io/valkey/valkeys@{DIGEST}",
            "no tree uses docker.io/valkey/valkeys; .* has .*valkey/valkey",
        ),
        ("docker.io/valkey/valkey:9.0.0", "allowed: an image by its digest"),
        ("docker.io/valkey/valkey:latest", "allowed: an image by its digest"),
        (f"docker.io/valkey/valkey@{DIGEST[:-1]}", "allowed: an image by its digest"),
    ],
)
def test_what_can_t_be_pinned_is_refused_with_what_would_do(reference: str, why: str) -> None:
    with pytest.raises(PinError, match=why):
        pinned((GITOPS / "images" / "kustomization.yaml").read_text(), reference)


def test_a_secret_is_left_out_and_marks_of_pulumi_too() -> None:
    labels = {"app.kubernetes.io/managed-by": "pulumi"}
    metadata = {"name": "kafka", "labels": labels, "annotations": {"pulumi.com/skipAwait": "true"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"key": "word"}}
    files = trees([Made("Kafka", service), Made("Kafka", secret)])
    assert files["platform/kafka.yaml"].splitlines()[1:] == [
        "apiVersion: v1",
        "kind: Service",
        "metadata:",
        "  name: kafka",
    ]
