"""A real API server with its etcd, on loopback, without root: processes that end with the tests.

It is all of Kubernetes that there is: no node, and controllers only when a test asks for them.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests
import trustme
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from doublegate.local.owned import Owned
from doublegate.local.ports import LOOPBACK, free_ports
from doublegate.local.ready import wait_serving
from tools import builds

if TYPE_CHECKING:
    from collections.abc import Callable

    from doublegate.local.process import Handle

__all__ = ["ApiServer"]

_START_SECONDS = 120.0
_PROBE_SECONDS = 5
_KUBECTL_SECONDS = 60
_ETCD, _SERVER, _MANAGER = "etcd", "kube-apiserver", "kube-controller-manager"
_CONTROLLERS = "deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller"
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class ApiServer:
    """Etcd and kube-apiserver of one folder; a context manager.

    RBAC decides, service accounts get tokens by TokenRequest, and every request is in the audit log.

    Args:
        home: for data, keys and logs; it belongs to this server alone.
        controllers: start a kube-controller-manager that rolls Deployments out and collects garbage, too.
    """

    def __init__(self, home: Path, *, controllers: bool = False) -> None:
        self._home = home.absolute()
        self._controllers = controllers
        self._owned = Owned(self._home)
        self._handles: dict[str, Handle] = {}
        etcd, peers, api, manager = free_ports(4)
        self._ports = {_ETCD: etcd, "peers": peers, _SERVER: api, _MANAGER: manager}

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://{LOOPBACK}:{self._ports[_SERVER]}"

    @property
    def kubeconfig(self) -> Path:
        """Of one who may do everything."""
        return self._home / "admin.yaml"

    def __enter__(self) -> Self:
        pki = self._pki
        pki.mkdir(mode=0o700, parents=True)
        _write_keys(pki)
        (self._home / "audit-policy.yaml").write_text(yaml.safe_dump(_AUDIT))
        self._write_kubeconfig(self.kubeconfig, _certificate_of(pki, "admin"))
        self._owned.__enter__()
        try:
            self._run(_ETCD, builds.ETCD.program("etcd"), self._etcd(), f"{self._etcd_url}/health")
            self.start()
            if self._controllers:
                program, check = builds.KUBERNETES.program(_MANAGER), f"{self._manager_url}/healthz"
                self._run(_MANAGER, program, self._manager(), check)
        except BaseException:
            self._owned.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.__exit__()

    def start(self) -> None:
        """Start the API server, again after `stop`: on its port, with its keys and its data."""
        self._run(_SERVER, builds.KUBERNETES.program(_SERVER), self._server(), f"{self.url}/readyz")

    def stop(self) -> None:
        """Stop the API server; etcd keeps what it holds."""
        self._handles.pop(_SERVER).stop()

    def define(self, folder: Path) -> None:
        """Apply the definitions in a folder, and wait until they are served."""
        self.kubectl("apply", "--server-side", f"--filename={folder}")
        self.kubectl("wait", "--for=condition=Established", f"--filename={folder}", "--timeout=60s")

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl says.

        Raises:
            AssertionError: it fails; with what it complains of.
        """
        done = subprocess.run(
            [str(builds.KUBERNETES.program("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_KUBECTL_SECONDS,
            check=False,
            env={**os.environ, "HOME": str(self._home)},  # its cache of what there is
        )
        if done.returncode:
            raise AssertionError(done.stderr or done.stdout)
        return done.stdout

    def kubeconfig_for(self, namespace: str, service_account: str) -> Path:
        """Of a service account that is there, with a token of an hour."""
        token = self.kubectl(
            f"--namespace={namespace}", "create", "token", service_account, "--duration=1h"
        ).strip()
        path = self._home / f"{namespace}.{service_account}.yaml"
        self._write_kubeconfig(path, {"token": token}, namespace)
        return path

    def audit(self, user: str = "") -> Iterator[Mapping[str, Any]]:
        """Requests that were answered, in order: verb, user, objectRef, responseStatus.

        Args:
            user: only of users whose name ends so, such as `shop:operator` of a service account.
        """
        log = self._home / "audit.log"
        for line in log.read_text().splitlines() if log.exists() else ():
            event = json.loads(line)
            if event["user"]["username"].endswith(user):
                yield event

    # --- its processes

    @property
    def _pki(self) -> Path:
        return self._home / "pki"

    @property
    def _etcd_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports[_ETCD]}"

    @property
    def _manager_url(self) -> str:
        return f"https://{LOOPBACK}:{self._ports[_MANAGER]}"

    def _run(self, name: str, program: Path, options: Mapping[str, str], probe: str) -> None:
        argv = [str(program), *(f"--{option}={value}" for option, value in options.items())]
        log = self._home / f"{name}.log"
        handle = self._handles[name] = self._owned.launch(name, argv, log)
        check = self._check(probe)
        wait_serving(name, check, _START_SECONDS, handle=handle, log=log, abort=threading.Event())

    def _check(self, url: str) -> Callable[[], None]:
        def check() -> None:
            with requests.Session() as session:
                session.trust_env = False  # neither proxies nor another bundle of authorities
                client = (f"{self._pki}/admin.crt", f"{self._pki}/admin.key")
                answer = session.get(url, verify=f"{self._pki}/ca.crt", cert=client, timeout=_PROBE_SECONDS)
            answer.raise_for_status()

        return check

    def _etcd(self) -> dict[str, str]:
        peers = f"http://{LOOPBACK}:{self._ports['peers']}"
        return {
            "name": "tests",
            "data-dir": str(self._home / "etcd"),
            "listen-client-urls": self._etcd_url,
            "advertise-client-urls": self._etcd_url,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"tests={peers}",
            "log-level": "warn",
            "unsafe-no-fsync": "true",  # it does not outlive the machine
        }

    def _server(self) -> dict[str, str]:
        pki = self._pki
        return {
            "etcd-servers": self._etcd_url,
            "bind-address": LOOPBACK,
            "advertise-address": LOOPBACK,
            "endpoint-reconciler-type": "none",  # no pod asks for it, and loopback is no endpoint
            "secure-port": str(self._ports[_SERVER]),
            "service-cluster-ip-range": "10.199.128.0/17",
            "client-ca-file": f"{pki}/ca.crt",
            "tls-cert-file": f"{pki}/server.crt",
            "tls-private-key-file": f"{pki}/server.key",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": f"{pki}/sa.pub",
            "service-account-signing-key-file": f"{pki}/sa.key",
            "authorization-mode": "RBAC",
            # Service accounts are made by a controller, and pods are none of this server's matters.
            "disable-admission-plugins": "" if self._controllers else "ServiceAccount",
            "audit-policy-file": str(self._home / "audit-policy.yaml"),
            "audit-log-path": str(self._home / "audit.log"),
            "shutdown-delay-duration": "0s",
        }

    def _manager(self) -> dict[str, str]:
        pki = self._pki
        config = self._home / "manager.yaml"
        self._write_kubeconfig(config, _certificate_of(pki, "manager"))
        return {
            "kubeconfig": str(config),
            "controllers": _CONTROLLERS,
            "leader-elect": "false",
            "bind-address": LOOPBACK,
            "secure-port": str(self._ports[_MANAGER]),
            "tls-cert-file": f"{pki}/server.crt",
            "tls-private-key-file": f"{pki}/server.key",
            "kube-api-qps": "300",
            "kube-api-burst": "500",
        }

    def _write_kubeconfig(self, path: Path, user: Mapping[str, str], namespace: str = "default") -> None:
        cluster = {"server": self.url, "certificate-authority-data": _encoded(self._pki / "ca.crt")}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": dict(user)}],
            "contexts": [
                {"name": "tests", "context": {"cluster": "tests", "user": "tests", "namespace": namespace}}
            ],
            "current-context": "tests",
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def _write_keys(pki: Path) -> None:
    authority = trustme.CA(organization_name="doublegate-tests")
    authority.cert_pem.write_to_path(pki / "ca.crt")
    _issue(pki / "server", authority.issue_cert(LOOPBACK, "localhost"))
    for name in ("admin", "manager"):
        # Go refuses a certificate without any host's name; no server has this one.
        leaf = authority.issue_cert(f"{name}.invalid", common_name=name, organization_name="system:masters")
        _issue(pki / name, leaf)
    key = ec.generate_private_key(ec.SECP256R1())
    _private(pki / "sa.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (pki / "sa.pub").write_bytes(public)


def _issue(path: Path, leaf: trustme.LeafCert) -> None:
    path.with_suffix(".crt").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    _private(path.with_suffix(".key"), leaf.private_key_pem.bytes())


def _private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _certificate_of(pki: Path, name: str) -> dict[str, str]:
    return {
        "client-certificate-data": _encoded(pki / f"{name}.crt"),
        "client-key-data": _encoded(pki / f"{name}.key"),
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
