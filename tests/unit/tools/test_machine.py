"""What is installed, run, remembered and refused on the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from doublegate.local.process import Handle
from tools import packages
from tools.cluster.errors import NotPossibleHere
from tools.cluster.layout import Layout
from tools.cluster.possible import lacking_capabilities, require_possible
from tools.cluster.record import Record
from tools.mounts import points_below
from tools.run import ProgramFailed, output, succeeds

ROOT = Path(__file__).parents[3]


def test_a_programs_last_words_are_in_the_error() -> None:
    assert output("sh", "-c", "cat; echo $GIVEN", stdin="in ", env={"GIVEN": "env"}) == "in env\n"
    with pytest.raises(
        ProgramFailed, match=r"`sh -c echo no such chain >&2; exit 3` ended with 3: no such chain"
    ):
        output("sh", "-c", "echo no such chain >&2; exit 3")
    with pytest.raises(ProgramFailed, match="took longer than 0 s"):
        output("sleep", "5", seconds=0.1)
    with pytest.raises(ProgramFailed, match="`not-there` can't be started"):
        output("not-there")
    assert not succeeds("false")


def test_what_is_there_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    packages.provide({"sh": "dash", "/etc/hosts": "netbase"}, print)


def test_missing_packages_are_named_to_who_may_not_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(packages.MissingPackages, match="are needed: one two; install them, as root"):
        packages.provide({"not-there": "two", "/not/there": "one", "sh": "dash"}, print)


def test_nothing_is_removed_to_install_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    packages.provide({"not-there": "some-package"}, print)
    update, install = (tmp_path / "asked").read_text().splitlines()
    assert update.startswith("update")
    assert {"install", "--no-remove", "--no-install-recommends", "some-package"} <= set(install.split())


@pytest.mark.parametrize(
    ("platform", "uid", "why"),
    [("darwin", 0, "runs on Linux, this is darwin"), ("linux", 1000, "needs root")],
)
def test_where_it_is_not_possible_another_way_is_named(
    monkeypatch: pytest.MonkeyPatch, platform: str, uid: int, why: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(NotPossibleHere, match=f"{why}.*KUBECONFIG"):
        require_possible(Layout())


def test_root_in_a_container_is_told_what_it_lacks() -> None:
    assert lacking_capabilities("Name:\tx\nCapEff:\t00000000a80425fb\n") == ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]
    assert lacking_capabilities("CapEff:\t000001ffffffffff\n") == []
    assert lacking_capabilities("") == ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert Record.load(tmp_path / "run").parts == {}
    record = Record(tmp_path / "run" / "state.json", "/elsewhere/cluster")
    record.parts["etcd"] = Handle(os.getpid(), 1.5)
    record.sysctls["net/ipv4/ip_forward"] = "0"
    record.forwarding = record.complete = True
    record.save()
    found = Record.load(tmp_path / "run")
    assert found == record
    assert found.running == {}, "that pid is another process"


def test_a_cluster_is_well_when_all_of_it_was_started_and_runs(tmp_path: Path) -> None:
    me = Handle(os.getpid(), psutil.Process().create_time())
    record = Record(tmp_path / "state.json", parts={"etcd": me})
    assert not record.well, "its start was interrupted"
    record.complete = True
    assert record.well
    record.parts["kubelet"] = Handle(os.getpid(), 1.5)
    assert not record.well


def test_mounts_are_found_below_a_folder_deepest_first() -> None:
    mounts = """\
/dev/vda / ext4 rw 0 0
tmpfs /home/of/cluster tmpfs rw 0 0
overlay /home/of/cluster/rootfs overlay rw 0 0
tmpfs /home/of/cluster/rootfs/a\\040b tmpfs rw 0 0
tmpfs /home/of/cluster-else tmpfs rw 0 0
nsfs /run/cluster/netns/cni-1 nsfs rw 0 0
"""
    assert points_below(mounts, [Path("/home/of/cluster"), Path("/run/cluster")]) == [
        "/run/cluster/netns/cni-1",
        "/home/of/cluster/rootfs/a b",
        "/home/of/cluster/rootfs",
    ]


def planned(*arguments: str) -> str:
    """What make would do."""
    return subprocess.run(
        ["make", "--dry-run", "cluster-test", *arguments],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": "/home/me/.kube/production"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_the_shells_kubeconfig_is_not_tested_on_by_accident() -> None:
    plan = planned()
    assert "production" not in plan
    assert "tools.cluster up" in plan


def test_a_kubeconfig_by_option_is_tested_on() -> None:
    plan = planned("KUBECONFIG=/home/me/.kube/kind", "IMAGES=consumer=registry.example/consumer:1")
    assert "DOUBLEGATE_TEST_KUBECONFIG=/home/me/.kube/kind" in plan
    assert "consumer=registry.example/consumer:1" in plan
    assert "tools.cluster" not in plan
