"""The cluster's addresses, ports and files are its own, and apart from each other."""

from __future__ import annotations

import ipaddress
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.cluster import configs, layout, network, parts
from tools.cluster.layout import Layout

WHERE = Layout(Path("/home-of-cluster"), Path("/run-of-cluster"))
PORTS = {name: value for name, value in vars(layout).items() if name.endswith("_PORT")}


def test_the_networks_are_apart_and_inside_of_one() -> None:
    whole, pods, services = (
        ipaddress.ip_network(cidr) for cidr in (layout.NETWORK, layout.PODS, layout.SERVICES)
    )
    assert pods.subnet_of(whole)
    assert services.subnet_of(whole)
    assert not pods.overlaps(services)
    assert ipaddress.ip_address(layout.NODE_ADDRESS) == pods[1], (
        "the address that the plugin gives the bridge"
    )
    assert ipaddress.ip_address(layout.API_SERVICE_ADDRESS) == services[1]
    assert ipaddress.ip_address(layout.DNS_ADDRESS) in services
    assert pods.num_addresses > 2 * layout.MAX_PODS, "addresses of ended pods are not free at once"


def test_no_two_parts_share_a_port() -> None:
    assert all(one != other for one, other in combinations(PORTS.values(), 2))
    assert len(PORTS) >= 9


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ([{"dst": "default", "dev": "eth0"}, {"dst": "192.0.2.0/24", "dev": "eth0"}], None),
        ([{"dst": "10.199.200.0/24", "dev": "tun0"}], "10.199.200.0/24 dev tun0"),
        ([{"dst": "10.0.0.0/8", "dev": "wg0"}], "10.0.0.0/8 dev wg0"),
        ([{"type": "local", "dst": "10.199.1.1", "dev": "eth1"}], "10.199.1.1 dev eth1"),
        ([{"dst": layout.PODS, "dev": layout.BRIDGE}], None),
        ([{"type": "blackhole", "dst": "10.199.0.0/24"}], "10.199.0.0/24 dev ?"),
    ],
)
def test_a_network_in_use_is_noticed(routes: list[dict[str, Any]], found: str | None) -> None:
    assert network.clash(routes) == found


def test_every_file_of_the_runtime_is_below_the_clusters_directories() -> None:
    text = configs.containerd(
        WHERE,
        pause="localhost/pause:1",
        shim=Path("/cache/shim"),
        runc="/usr/sbin/runc",
        cni=Path("/cache/cni"),
    )
    config = tomllib.loads(text)
    outside = [
        value
        for value in _strings(config)
        if value.startswith("/") and not value.startswith(("/home-of-cluster/", "/run-of-cluster/"))
    ]
    assert sorted(outside) == ["/cache/cni", "/cache/shim", "/usr/sbin/runc"]
    assert config["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "localhost/pause:1"


def test_kubelet_and_proxy_listen_on_the_nodes_address_alone() -> None:
    kubelet, proxy = yaml.safe_load(configs.kubelet(WHERE)), yaml.safe_load(configs.proxy(WHERE))
    assert kubelet["address"] == kubelet["healthzBindAddress"] == layout.NODE_ADDRESS
    assert kubelet["authentication"]["anonymous"] == {"enabled": False}
    assert kubelet["cgroupRoot"] == f"/{layout.CGROUP}"
    for field in ("healthzBindAddress", "metricsBindAddress"):
        assert proxy[field].startswith(f"{layout.NODE_ADDRESS}:")
    assert proxy["nodePortAddresses"] == [f"{layout.NODE_ADDRESS}/32"]


def test_each_part_listens_on_the_nodes_address_alone() -> None:
    for part in (*parts.foundation(WHERE), *parts.control_plane(WHERE), *parts.node(WHERE)):
        for word in part.argv[1:]:
            name, _, value = word.partition("=")
            if name == "--bind-address":
                assert value == layout.NODE_ADDRESS, part.name
            if name.startswith("--listen-"):
                assert value.startswith(f"https://{layout.NODE_ADDRESS}:"), part.name


def test_the_api_server_refuses_by_role_and_by_pod_security() -> None:
    [server] = parts.control_plane(WHERE)
    assert "--authorization-mode=Node,RBAC" in server.argv
    assert not any("--disable-admission-plugins" in word for word in server.argv)
    assert not any("--anonymous-auth=true" in word for word in server.argv)


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in _strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return [value] if isinstance(value, str) else []
