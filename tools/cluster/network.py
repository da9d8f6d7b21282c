"""The host's side of the network: a bridge, masquerading, settings of the kernel; and back again."""

from __future__ import annotations

import ipaddress
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.cluster import layout
from tools.cluster.errors import NotPossibleHere
from tools.run import output, succeeds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.cluster.record import Record

__all__ = ["clash", "set_up", "take_down"]

SYSCTLS: dict[str, str | None] = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",  # or replies between pods of one bridge keep their address
    # What kubelet sets by itself; noted, so that it can be put back.
    "vm/overcommit_memory": None,
    "vm/panic_on_oom": None,
    "kernel/panic": None,
    "kernel/panic_on_oops": None,
    "kernel/keys/root_maxkeys": None,
    "kernel/keys/root_maxbytes": None,
}
PROC = Path("/proc/sys")
MASQUERADE = f"""\
table ip {layout.NFT_TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {layout.PODS} ip daddr != {layout.NETWORK} masquerade
  }}
}}
"""
# Docker drops what is forwarded and not its own. Accepting in a table of ours would not revoke that.
FORWARDING = tuple(
    ("FORWARD", direction, layout.BRIDGE, "-m", "comment", "--comment", layout.NFT_TABLE, "-j", "ACCEPT")
    for direction in ("-i", "-o")
)


def set_up(record: Record) -> None:
    """Make the bridge with the node's address, and let pods out.

    Raises:
        NotPossibleHere: Another network has the cluster's addresses, or the kernel lacks something.
    """
    routes = json.loads(output("ip", "-json", "-4", "route", "show", "table", "all"))
    if taken := clash(routes):
        raise NotPossibleHere(
            f"the cluster's network {layout.NETWORK} is in use here ({taken}); free it, or use another "
            "cluster by `make cluster-test KUBECONFIG=...`"
        )
    if not (PROC / "net/bridge").exists() and not succeeds("modprobe", "br_netfilter"):
        raise NotPossibleHere("the kernel has no br_netfilter, without which services don't work on a bridge")
    for name, wanted in SYSCTLS.items():
        record.sysctls.setdefault(name, (PROC / name).read_text().strip())
        record.save()
        if wanted is not None:
            (PROC / name).write_text(wanted)
    output("ip", "link", "add", layout.BRIDGE, "type", "bridge")
    width = ipaddress.ip_network(layout.PODS).prefixlen
    output("ip", "address", "add", f"{layout.NODE_ADDRESS}/{width}", "dev", layout.BRIDGE)
    output("ip", "link", "set", layout.BRIDGE, "up")
    output("nft", "-f", "-", stdin=MASQUERADE)
    if _drops_forwarded():
        record.forwarding = True
        record.save()
        for rule in FORWARDING:
            output("iptables", "-w", "-I", *rule)


def take_down(record: Record) -> None:
    """Undo it, kube-proxy's tables included; whatever is missing was undone before."""
    if record.forwarding:
        for rule in FORWARDING:
            succeeds("iptables", "-w", "-D", *rule)
    if shutil.which("nft") or Path("/usr/sbin/nft").exists():
        succeeds("nft", "delete", "table", "ip", layout.NFT_TABLE)
        for family in ("ip", "ip6") if "kube-proxy" in record.parts else ():
            succeeds("nft", "delete", "table", family, "kube-proxy")
    succeeds("ip", "link", "delete", layout.BRIDGE)
    for name, former in record.sysctls.items():
        (PROC / name).write_text(former)


def clash(routes: Iterable[dict[str, Any]]) -> str | None:
    """The first route, as `ip -json` tells it, that overlaps the cluster's network and is not the default."""
    ours = ipaddress.ip_network(layout.NETWORK)
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == layout.BRIDGE:
            continue
        if ours.overlaps(ipaddress.ip_network(route["dst"], strict=False)):
            return f"{route['dst']} dev {route.get('dev', '?')}"
    return None


def _drops_forwarded() -> bool:
    return shutil.which("iptables") is not None and "-P FORWARD DROP" in output(
        "iptables", "-w", "-S", "FORWARD"
    )
