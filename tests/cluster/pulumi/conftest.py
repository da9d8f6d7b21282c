"""The namespace of a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from doublegate.local.errors import LocalStackError
from tests.cluster.pulumi.stacks import SERVERS
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.access import Cluster
    from tests.cluster.namespace import Namespace


@pytest.fixture
def home(
    cluster: Cluster,
    keda: None,
    new_namespace: Callable[..., Namespace],
) -> Namespace:
    """The stack's namespace; it is there before the stack, so that its end is sure and a failure shows it."""
    try:
        builds.provide(builds.PULUMI, print)
    except LocalStackError as error:
        pytest.skip(f"Pulumi's engine can't be had here: {error}")
    if missing := SERVERS - set(cluster.images):
        pytest.skip(f"no images of {', '.join(sorted(missing))}")
    return new_namespace()
