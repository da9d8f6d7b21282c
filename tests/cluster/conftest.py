"""Fixtures of the tests on a real cluster: one cluster a run, a namespace a test, a dump of it on failure."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.generic_resource import get_generic_resource

from tests.cluster import platform as shared
from tests.cluster.access import Cluster, NoCluster, connect
from tests.cluster.namespace import Namespace, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.platform import Platform

REQUIRED = "DOUBLEGATE_TEST_CLUSTER"
"""Set by `make cluster-test`: without a cluster it fails, where others skip."""
NAMESPACES = pytest.StashKey[list[Namespace]]()
SHARED = pytest.StashKey[Namespace]()
SHARED_LOG_LINES = 8


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster under test."""
    try:
        found = connect()
    except NoCluster as error:
        if os.environ.get(REQUIRED):
            raise
        pytest.skip(f"no cluster: {error}")
    remove_leftovers(found)
    return found


@pytest.fixture
def keda(cluster: Cluster) -> None:
    """The test skips where there is none."""
    if get_generic_resource("keda.sh/v1alpha1", "ScaledObject") is None:
        pytest.skip("this cluster has no KEDA")


@pytest.fixture(scope="session")
def platform(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Platform]:
    """The shared servers."""
    made = request.session.stash[SHARED] = Namespace(cluster, f"platform-{secrets.token_hex(3)}")
    yield shared.start(made)
    del request.session.stash[SHARED]
    made.close()


@pytest.fixture
def new_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Callable[..., Namespace]]:
    """Makes namespaces that end with the test; their content is shown when it fails."""
    made: list[Namespace] = []
    request.node.stash[NAMESPACES] = made

    def make(**options: Any) -> Namespace:
        made.append(Namespace(cluster, f"test-{secrets.token_hex(4)}", **options))
        return made[-1]

    yield make
    for namespace in made:
        namespace.close()


@pytest.fixture
def namespace(new_namespace: Callable[..., Namespace]) -> Namespace:
    """The test's own namespace."""
    return new_namespace()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Add what is in the test's namespaces, and in the shared one, to the report of a failure."""
    report = yield
    if report.failed and call.when != "teardown":
        for one in item.stash.get(NAMESPACES, []):
            report.sections.append((f"namespace {one.name}", one.describe()))
        servers = item.session.stash.get(SHARED, None)
        if servers is not None:
            report.sections.append(
                (f"namespace {servers.name}", servers.describe(log_lines=SHARED_LOG_LINES))
            )
    return report
