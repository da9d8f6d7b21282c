"""The API server of the tests: that it is a real one, with rights, tokens and an audit log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from lightkube import ApiError, Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from tests.helpers import eventually
from tests.operator.api_server import ApiServer
from tools import builds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operator.conftest import Kubectl


def test_a_service_account_may_what_its_role_says_and_is_in_the_audit_log(
    api_server: ApiServer, kubectl: Kubectl, namespace: str
) -> None:
    here = f"--namespace={namespace}"
    kubectl(here, "create", "serviceaccount", "reader")
    kubectl(here, "create", "role", "reader", "--verb=get", "--resource=configmaps")
    kubectl(here, "create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:reader")
    kubectl(here, "create", "configmap", "shown", "--from-literal=a=b")
    config = KubeConfig.from_file(api_server.kubeconfig_for(namespace, "reader"))
    confined = Client(config, namespace=namespace)
    found = eventually(lambda: _get(confined))  # it knows of the binding in a moment
    assert found.data == {"a": "b"}
    with pytest.raises(ApiError, match="cannot create"):
        confined.create(ConfigMap(metadata=ObjectMeta(name="another")))
    said = [
        (event["verb"], event["objectRef"]["resource"], event["responseStatus"]["code"])
        for event in api_server.audit(f"{namespace}:reader")
    ]
    assert said[-2:] == [("get", "configmaps", 200), ("create", "configmaps", 403)]


def test_kubectl_complains_aloud(kubectl: Kubectl, namespace: str) -> None:
    with pytest.raises(AssertionError, match="not found"):
        kubectl(f"--namespace={namespace}", "get", "configmap", "missing")


def test_controllers_collect_garbage_and_it_can_be_restarted(tmp_path: Path, api_server: ApiServer) -> None:
    """A server of its own; the session's is asked for so that the programs are there."""
    with ApiServer(tmp_path / "server", controllers=True) as server:
        server.kubectl("create", "configmap", "owner")
        uid = json.loads(server.kubectl("get", "configmap", "owner", "--output=json"))["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
        owned = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "owned", "ownerReferences": [owner]},
        }
        server.kubectl("create", "--filename=-", stdin=json.dumps(owned))
        server.stop()
        with pytest.raises(AssertionError):
            server.kubectl("get", "configmap", "owned")
        server.start()
        server.kubectl("delete", "configmap", "owner")
        eventually(lambda: "owned" not in server.kubectl("get", "configmaps", "--output=name"), 60)
        version = json.loads(server.kubectl("version", "--output=json"))["serverVersion"]["gitVersion"]
        assert version == builds.KUBERNETES_RELEASE


def _get(client: Client) -> ConfigMap | None:
    try:
        return client.get(ConfigMap, "shown")
    except ApiError:
        return None
