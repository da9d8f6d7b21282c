"""One world for the selection that `make test` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from doublegate.local.model import Service
from doublegate.local.stack import Stack
from tests.faults.proxies import Proxies
from tests.faults.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download and build before the first test, whose deadline this would break."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if "world" not in wanted or session.config.option.collectonly:
        return
    terminal: Any = session.config.pluginmanager.get_plugin("terminalreporter")

    def say(line: str) -> None:
        terminal.write_line(f"servers: {line}")

    Stack(session.config.rootpath, [Service.KAFKA, Service.REGISTRY, Service.POSTGRES], say).install()
    Proxies.install(say)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One broker, a ledger with a replica, registry, database, far side; healed after every schedule."""
    with World(tmp_path_factory.mktemp("world"), wide=False, traces=False, say=lambda _: None) as made:
        yield made
