"""One real API server for the whole session; each test works in a namespace of its own."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from lightkube import Client
from lightkube.config.kubeconfig import KubeConfig

from doublegate.local.errors import LocalStackError
from tests.operator.api_server import ApiServer
from tests.operator.chart import CHARTS, lacking
from tests.operator.schemas import write_builtin
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDED = (builds.ETCD, builds.KUBERNETES)
CRDS = CHARTS / "doublegate-crds" / "files"
_problem = pytest.StashKey[str]()


class Kubectl(Protocol):
    """What kubectl says; AssertionError with its complaint when it fails."""

    def __call__(self, *arguments: str, stdin: str | None = None) -> str: ...


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test, whose deadline this would break."""
    if session.config.option.collectonly:
        return
    terminal: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if any(item.path.name.startswith("test_charts") for item in session.items):
        for build in builds.CHARTS:
            lacking(build, lambda line: terminal.write_line(f"charts: {line}"))
    elif any("schemas" in getattr(item, "fixturenames", ()) for item in session.items):
        lacking(builds.KUBECONFORM, lambda line: terminal.write_line(f"kubeconform: {line}"))
    if not any("api_server" in getattr(item, "fixturenames", ()) for item in session.items):
        return
    try:
        for build in NEEDED:
            builds.provide(build, lambda line: terminal.write_line(f"API server: {line}"))
    except LocalStackError as error:
        session.config.stash[_problem] = str(error)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[ApiServer]:
    """The API server; the tests are skipped, aloud, where its programs can't be had."""
    if problem := pytestconfig.stash.get(_problem, None):
        pytest.skip(f"the API server can't be had here: {problem}")
    with ApiServer(tmp_path_factory.mktemp("api") / "server") as running:
        yield running


@pytest.fixture(scope="session")
def kubeconfig(api_server: ApiServer) -> Path:
    """Of one who may do everything."""
    return api_server.kubeconfig


@pytest.fixture(scope="session")
def kubectl(api_server: ApiServer) -> Kubectl:
    """Runs kubectl."""
    return api_server.kubectl


@pytest.fixture(scope="session")
def client(kubeconfig: Path) -> Client:
    """The API for the test itself, with every right."""
    return Client(KubeConfig.from_file(kubeconfig), field_manager="test")


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """A fresh one."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    api_server.kubectl("create", "namespace", name)
    yield name
    # Nobody but a controller makes it vanish; what is in it is asked to go.
    api_server.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def crds(api_server: ApiServer) -> None:
    """Our definitions, served."""
    api_server.define(CRDS)


@pytest.fixture(scope="session")
def schemas(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For kubeconform: of the server's kinds."""
    folder = tmp_path_factory.mktemp("schemas")
    write_builtin(folder, json.loads(kubectl("get", "--raw", "/openapi/v2")))
    return folder
