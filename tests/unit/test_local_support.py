"""Ports, disk, locks, the state file and the errors of the local stack."""

from __future__ import annotations

import shutil
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from doublegate.local import state
from doublegate.local.cache import cache_dir, exclusive, require_free
from doublegate.local.errors import NotEnoughDiskError, PortInUseError, ServiceDidNotStart, tail
from doublegate.local.model import Endpoints, Health, Service
from doublegate.local.ports import EPHEMERAL_RANGE, free_ports, is_free, require_free_port
from doublegate.local.process import Handle
from doublegate.local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the free bytes of every file system."""

    def leave(free: int) -> None:
        usage = shutil._ntuple_diskusage(free, 0, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    return leave


def test_free_ports_are_distinct_free_and_not_ephemeral() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(map(is_free, ports))
    assert max(ports) < int(EPHEMERAL_RANGE.read_text().split()[0])


def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} on 127.0.0.1, asked for kafka, is in use"):
            require_free_port(Service.KAFKA, port)


def test_too_little_disk_names_path_and_numbers(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(100 * MIB)
    require_free(tmp_path / "not" / "there", 100 * MIB)
    with pytest.raises(NotEnoughDiskError, match=f"{tmp_path}.*: 101 MiB are needed, 100 MiB are free"):
        require_free(tmp_path / "not" / "there", 101 * MIB)


def test_a_stack_without_disk_starts_nothing(disk: Callable[[int], None], tmp_path: Path) -> None:
    disk(10 * MIB)
    stack = Stack(tmp_path / "home", [Service.VALKEY])
    with pytest.raises(NotEnoughDiskError):
        stack.up()
    assert stack.status() == []


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"DOUBLEGATE_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/doublegate"),
        ({"HOME": "/c"}, "/c/.cache/doublegate"),
    ],
)
def test_where_the_cache_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("DOUBLEGATE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)


def test_a_lock_lets_one_in_and_tells_who_waits(tmp_path: Path) -> None:
    waiting, entered = threading.Event(), threading.Event()

    def second() -> None:
        with exclusive(tmp_path / "lock", waiting.set):
            entered.set()

    thread = threading.Thread(target=second)
    with exclusive(tmp_path / "lock", pytest.fail):
        thread.start()
        assert waiting.wait(10)
        assert not entered.is_set()
    assert entered.wait(10)
    thread.join()


def test_the_state_comes_back_from_its_file_which_is_private(tmp_path: Path) -> None:
    said = state.State(
        Endpoints(redis_url="redis://127.0.0.1:1/0"),
        {
            Service.VALKEY: state.Entry({"redis": 1}, Handle(2**22 + 1, 5.0)),
            Service.KAFKA: state.Entry({"broker": 2}),
        },
    )
    with state.changing(tmp_path) as now:
        now.endpoints, now.services = said.endpoints, said.services
    assert state.load(tmp_path) == said
    assert (tmp_path / state.FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert {entry.health for entry in state.load(tmp_path).services.values()} == {Health.STOPPED}


def test_a_failed_change_changes_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with state.changing(tmp_path) as now:
            now.services["kafka"] = state.Entry({})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert state.load(tmp_path) == state.State()


def test_an_error_ends_with_the_last_lines_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    assert tail(log) == "  (empty)"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    message = str(ServiceDidNotStart(Service.KAFKA, "its process ended", log))
    assert message.startswith(f"kafka did not start: its process ended; its log is {log}, which ends with:\n")
    assert message.endswith("line 98\n  line 99")
    assert "line 79" not in message
