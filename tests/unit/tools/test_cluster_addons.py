"""CoreDNS and KEDA as they are applied, and the question whether names resolve."""

from __future__ import annotations

import base64
import socket
import struct
import threading

import pytest
import yaml

from tools.cluster import layout
from tools.cluster.addons.install import render_coredns, render_keda
from tools.cluster.addons.wait import resolve


def test_coredns_answers_under_the_address_that_pods_are_told() -> None:
    objects = {one["kind"]: one for one in yaml.safe_load_all(render_coredns("localhost/coredns:1"))}
    assert objects["Service"]["spec"]["clusterIP"] == layout.DNS_ADDRESS
    assert f"kubernetes {layout.CLUSTER_DOMAIN} " in objects["ConfigMap"]["data"]["Corefile"]
    [container] = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "localhost/coredns:1"


def test_keda_is_its_own_manifests_with_our_images_and_authority() -> None:
    found = yaml.safe_load(render_keda("localhost/keda:1", "localhost/keda-adapter:2", b"authority"))
    assert found["resources"] == ["config/minimal"]
    assert {one["newName"]: one["newTag"] for one in found["images"]} == {
        "localhost/keda": 1,
        "localhost/keda-adapter": 2,
    }
    [patch] = [one for one in found["patches"] if one["target"]["kind"] == "APIService"]
    [change] = yaml.safe_load(patch["patch"])
    assert base64.b64decode(change["value"]) == b"authority"


@pytest.mark.parametrize(("answers", "found"), [(1, "10.0.0.1"), (0, None)])
def test_a_name_is_asked_past_the_machines_own_resolver(
    monkeypatch: pytest.MonkeyPatch, answers: int, found: str | None
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        asked: list[bytes] = []

        def serve() -> None:
            query, client = server.recvfrom(512)
            asked.append(query)
            head = query[:6] + struct.pack(">3H", answers, 0, 0)
            record = b"\xc0\x0c" + struct.pack(">2HIH", 1, 1, 5, 4) + socket.inet_aton("10.0.0.1")
            server.sendto(head + query[12:] + record * answers, client)

        thread = threading.Thread(target=serve)
        thread.start()
        real = socket.socket.connect
        port = server.getsockname()[1]
        monkeypatch.setattr(socket.socket, "connect", lambda one, address: real(one, (address[0], port)))
        if found is None:
            with pytest.raises(LookupError, match=r"0 addresses of a\.b"):
                resolve("a.b", "127.0.0.1")
        else:
            assert resolve("a.b", "127.0.0.1") == found
        thread.join(5)
        assert b"\x01a\x01b\x00" in asked[0]
