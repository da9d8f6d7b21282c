"""The fixtures themselves: what a failing test shows, and a port that outlives the pod behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tests.cluster import manifests as m
from tests.helpers import eventually

if TYPE_CHECKING:
    from tests.cluster.forward import Forward
    from tests.cluster.namespace import Namespace

pytestmark = pytest.mark.timeout(240)

SECONDS = 60.0


def test_a_failure_shows_states_events_and_last_words(namespace: Namespace) -> None:
    image = namespace.cluster.images["consumer"]
    dies = m.container("dies", image, memory="32Mi", command=["python3", "-c", "exit('its last words')"])
    namespace.apply(m.deployment("dies", dies))
    wanted = ("its last words", "BackOff", "before its last restart", "deployment.apps/dies")

    def all_told() -> bool:
        told = namespace.describe()
        return all(words in told for words in wanted)

    eventually(all_told, SECONDS)


def test_a_forward_leads_to_the_next_pod(namespace: Namespace) -> None:
    server = m.container(
        "web",
        namespace.cluster.images["consumer"],
        memory="64Mi",
        command=["python3", "-m", "http.server", "8080"],
        ready=m.http_get("/", 8080),
    )
    namespace.apply(m.deployment("web", server, terminationGracePeriodSeconds=1), m.service("web", 8080))
    namespace.wait_rolled_out("web")
    forward = namespace.forward("svc/web", 8080)
    assert _answers(forward)
    [before] = namespace.pods("web")
    namespace.kubectl("delete", "pod", str(before.metadata.name))
    namespace.wait_rolled_out("web")
    eventually(lambda: _answers(forward), SECONDS)


def _answers(forward: Forward) -> bool:
    try:
        with urlopen(forward.url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
