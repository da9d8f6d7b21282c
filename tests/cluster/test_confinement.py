"""What a consumer's pod may not do, it can't: users, files, memory, processor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.core.exceptions import ApiError

from tests.cluster import manifests as m
from tests.helpers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.namespace import Namespace

pytestmark = pytest.mark.timeout(240)

LOOK = """
import json, os, pathlib
def first(*names):
    return next(pathlib.Path(name).read_text().split() for name in names if os.path.exists(name))
def writable(folder):
    try: pathlib.Path(folder, "probe").write_text("")
    except OSError: return False
    return True
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "capabilities": int(status["CapEff"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "seccomp": int(status["Seccomp"]),
    "writable": [folder for folder in ("/", "/app", "/opt", "/etc", "/tmp", "/var/tmp") if writable(folder)],
    "memory": int(first("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")[0]),
    "cpu": int(first("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")[0]),
}))
"""


def test_the_consumer_image_runs_with_nothing_but_its_own(namespace: Namespace) -> None:
    pod = _pod(namespace, command=["python3", "-c", LOOK])
    limits = {"memory": "100Mi", "cpu": "250m"}
    pod["spec"]["containers"][0]["resources"] = {"limits": limits, "requests": limits}
    namespace.apply(pod)
    eventually(lambda: _phase(namespace) == "Succeeded", 60)
    assert json.loads(namespace.log("probe")) == {
        "ids": [65532, 65532],
        "capabilities": 0,
        "no_new_privileges": 1,
        "seccomp": 2,  # a filter
        "writable": [],
        "memory": 100 << 20,
        "cpu": 25_000,  # of every 100 ms
    }


def test_the_command_line_runs_on_a_read_only_file_system(namespace: Namespace) -> None:
    namespace.apply(_pod(namespace, args=["--help"]))
    eventually(lambda: _phase(namespace) == "Succeeded", 60)
    assert "Kafka consumers whose side effects happen once" in namespace.log("probe")


def test_a_pod_of_root_is_refused_by_name(namespace: Namespace) -> None:
    pod = _pod(namespace, args=["--help"])
    pod["spec"]["containers"][0]["securityContext"] = {**m.RESTRICTED, "runAsNonRoot": False, "runAsUser": 0}
    with pytest.raises(ApiError, match=r'violates PodSecurity "restricted.*runAsUser=0'):
        namespace.apply(pod)


def test_run_as_non_root_holds_where_nobody_else_refuses(new_namespace: Callable[..., Namespace]) -> None:
    lax = new_namespace(security="privileged")
    pod = _pod(lax, args=["--help"])
    pod["spec"]["containers"][0]["securityContext"] = {**m.RESTRICTED, "runAsUser": 0}
    lax.apply(pod)
    path = "--output=jsonpath={.status.containerStatuses[0].state.waiting.message}"
    eventually(lambda: "non-root" in lax.kubectl("get", "pod", "probe", path), 60)


def _pod(namespace: Namespace, **container: Any) -> m.Object:
    one = m.container("probe", namespace.cluster.images["consumer"], memory="128Mi", **container)
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [one]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec}


def _phase(namespace: Namespace) -> str:
    return namespace.kubectl("get", "pod", "probe", "--output=jsonpath={.status.phase}")
