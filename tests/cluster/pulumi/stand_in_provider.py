"""TEST DOUBLE of pulumi-resource-kubernetes, whose binary can't be had on these machines.

It speaks Pulumi's provider protocol and applies objects to the real API server with kubectl, whose path is in
the environment variable STAND_IN_KUBECTL. It knows what the program uses: server-side apply, waiting for
rollouts, Jobs and definitions, `pulumi.com/waitFor`, `skipAwait` and `timeoutSeconds`, replacement of what
can't be changed. It has no charts.
"""

# ruff: noqa: N802 - the names of the protocol

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

Object = dict[str, Any]
SECONDS = 600
BYTES = 400 << 20
FIELD_MANAGER = "pulumi-stand-in"
PREFIX = "pulumi.com/"
# What the API server refuses to change.
FIXED = {
    "Deployment": ("spec.selector",),
    "StatefulSet": (
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
        "spec.podManagementPolicy",
    ),
    "Job": ("spec.template", "spec.selector"),
    "Service": ("spec.clusterIP",),
    "RoleBinding": ("roleRef",),
}
ALWAYS_FIXED = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
WAITS = {
    "Deployment": ["rollout", "status"],
    "StatefulSet": ["rollout", "status"],
    "Job": ["wait", "--for=condition=Complete"],
    "CustomResourceDefinition": ["wait", "--for=condition=Established"],
}


class KubectlError(Exception):
    """What kubectl complains of."""


class Kubectl:
    """The API server, as kubectl sees it."""

    def __init__(self, configuration: Object) -> None:
        self._command = [os.environ["STAND_IN_KUBECTL"]]
        for name in ("kubeconfig", "context"):
            if configuration.get(name):
                self._command.append(f"--{name}={configuration[name]}")

    def __call__(self, *arguments: str, given: Object | None = None) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            input=None if given is None else json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlError((done.stderr or done.stdout).strip())
        return done.stdout

    def apply(self, wanted: Object) -> Object:
        """Server-side, as one field manager."""
        manager = f"--field-manager={FIELD_MANAGER}"
        how = ("apply", "--server-side", "--force-conflicts", manager, "--output=json", "--filename=-")
        return dict(json.loads(self(*how, given=wanted)))

    def get(self, known: Object) -> Object | None:
        """As it is now."""
        said = self("get", *reference(known), "--output=json", "--ignore-not-found")
        return dict(json.loads(said)) if said.strip() else None

    def delete(self, known: Object) -> None:
        """Until it is gone."""
        self("delete", *reference(known), "--ignore-not-found", f"--timeout={SECONDS}s")

    def settle(self, applied: Object) -> None:
        """Wait as the object or its kind demands."""
        notes = applied["metadata"].get("annotations", {})
        if notes.get(f"{PREFIX}skipAwait") == "true":
            return
        limit = f"--timeout={notes.get(f'{PREFIX}timeoutSeconds', SECONDS)}s"
        if wait := notes.get(f"{PREFIX}waitFor"):
            self("wait", f"--for={wait}", *reference(applied), limit)
        elif applied["kind"] in WAITS:
            self(*WAITS[applied["kind"]], *reference(applied), limit)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Resources `kubernetes:<group/version>:<Kind>`."""

    kubectl: Kubectl

    def Handshake(self, _request: Any, _context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=os.environ.get("STAND_IN_VERSION", "0.0.0"))

    def CheckConfig(self, request: Any, _context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, _request: Any, _context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, _context: Any) -> Any:
        self.kubectl = Kubectl(plain(request.args))
        # Without secrets: the engine remembers by itself which inputs were some.
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Check(self, request: Any, _context: Any) -> Any:
        wanted = plain(request.news)
        if wanted.get("kind") and wanted.get("metadata", {}).get("name"):
            return provider_pb2.CheckResponse(inputs=struct(wanted))
        failure = provider_pb2.CheckFailure(
            property="metadata.name", reason="the stand-in makes named objects only"
        )
        return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])

    def Diff(self, request: Any, _context: Any) -> Any:
        old, new = plain(request.old_inputs), plain(request.news)
        kinds = provider_pb2.DiffResponse
        if old == new:
            return kinds(changes=kinds.DIFF_NONE)
        fixed = [
            path for path in (*ALWAYS_FIXED, *FIXED.get(new["kind"], ())) if at(old, path) != at(new, path)
        ]
        changed = [name for name in {*old, *new} if old.get(name) != new.get(name)]
        return kinds(
            changes=kinds.DIFF_SOME, diffs=sorted(changed), replaces=fixed, deleteBeforeReplace=bool(fixed)
        )

    def Create(self, request: Any, context: Any) -> Any:
        wanted = plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(wanted))
        made = self._carry_out(wanted, context)
        return provider_pb2.CreateResponse(id=identity(made), properties=struct(made))

    def Update(self, request: Any, context: Any) -> Any:
        wanted = plain(request.news)
        made = wanted if request.preview else self._carry_out(wanted, context)
        return provider_pb2.UpdateResponse(properties=struct(made))

    def Read(self, request: Any, context: Any) -> Any:
        known, inputs = plain(request.properties), plain(request.inputs)
        try:
            live = self.kubectl.get(known)
        except KubectlError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        if live is None:
            return provider_pb2.ReadResponse()
        seen = struct(as_seen(inputs, live))
        return provider_pb2.ReadResponse(id=request.id, properties=struct(live), inputs=seen)

    def Delete(self, request: Any, context: Any) -> Any:
        try:
            self.kubectl.delete(plain(request.properties))
        except KubectlError as error:
            if "the server doesn't have a resource type" not in str(error):
                context.abort(grpc.StatusCode.UNKNOWN, str(error))
        return empty_pb2.Empty()

    def Cancel(self, _request: Any, _context: Any) -> Any:
        return empty_pb2.Empty()

    def _carry_out(self, wanted: Object, context: Any) -> Object:
        try:
            made = self.kubectl.apply(wanted)
        except KubectlError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        try:
            self.kubectl.settle(made)
            return self.kubectl.get(made) or made
        except KubectlError as error:
            fail_there(context, made, wanted, str(error))


def fail_there(context: Any, made: Object, wanted: Object, reason: str) -> NoReturn:
    """It is there and does not work: the engine keeps it, and the next `up` waits again."""
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=identity(made), properties=struct(made), inputs=struct(wanted), reasons=[reason]
        )
    )
    unknown = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=unknown.value[0], message=reason, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(unknown, reason)
    raise AssertionError


def reference(known: Object) -> list[str]:
    """How kubectl names an object, of whatever version."""
    group, _, version = known["apiVersion"].rpartition("/")
    kind = f"{known['kind']}.{version}.{group}" if group else known["kind"]
    metadata = known["metadata"]
    where = [f"--namespace={metadata['namespace']}"] if metadata.get("namespace") else []
    return [f"{kind}/{metadata['name']}", *where]


def identity(made: Object) -> str:
    """As the real provider has it."""
    metadata = made["metadata"]
    return "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)


def as_seen(wanted: Any, live: Any) -> Any:
    """What of the wanted fields is there; what is written only is taken for there."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {
            name: as_seen(value, live[name]) if name in live else value
            for name, value in wanted.items()
            if name in live or name == "stringData"
        }
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [as_seen(one, other) for one, other in zip(wanted, live, strict=True)]
    return live


def at(content: Any, path: str) -> Any:
    """A field; None where there is none."""
    for name in path.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def struct(content: Object) -> Any:
    """For the wire."""
    made = struct_pb2.Struct()
    made.update(content)
    return made


def plain(content: Any) -> Object:
    """From the wire, where every number is a fraction."""
    return dict(_whole(json_format.MessageToDict(content)))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items() if not name.startswith("__")}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def main() -> None:
    """Serve until the engine ends it; the port is told on the standard output."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    options = [("grpc.max_receive_message_length", BYTES), ("grpc.max_send_message_length", BYTES)]
    server = grpc.server(ThreadPoolExecutor(32), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
