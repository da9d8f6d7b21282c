"""The consumer's pods: what Kubernetes says of them, and what they say on `/status`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp

from doublegate_operator.core.facts import PodFacts
from doublegate_operator.core.meta import HASH_ANNOTATION
from doublegate_operator.core.network import PORT

__all__ = ["observe_pods"]

Raw = Mapping[str, Any]

_SECONDS = 3.0
_AT_ONCE = 32
_LARGEST = 1 << 22
"""Bytes of an answer; ten thousand partitions take less."""
_STUCK = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}
_OVER = ("Succeeded", "Failed")


async def observe_pods(pods: Sequence[Raw], port: int = PORT) -> tuple[PodFacts, ...]:
    """Ask all of them at the same time; who does not answer in time has no status.

    Pods that are over are left out: their Deployment has others in their place.
    """
    living = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _OVER]
    timeout, limit = aiohttp.ClientTimeout(total=_SECONDS), asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return tuple(await asyncio.gather(*(_observe(session, limit, pod, port) for pod in living)))


async def _observe(session: aiohttp.ClientSession, limit: asyncio.Semaphore, pod: Raw, port: int) -> PodFacts:
    meta, status = pod["metadata"], pod.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    leaves = "deletionTimestamp" in meta
    ready = conditions.get("Ready", {}).get("status") == "True" and not leaves
    address = status.get("podIP")
    answer = None
    if address and status.get("phase") == "Running":
        async with limit:
            answer = await _asked(session, address, port)
    return PodFacts(
        name=meta["name"],
        ready=ready,
        config_hash=(meta.get("annotations") or {}).get(HASH_ANNOTATION),
        trouble=None if ready or leaves else next(_troubles(status, conditions), None),
        status=answer,
    )


async def _asked(session: aiohttp.ClientSession, address: str, port: int) -> Raw | None:
    host = f"[{address}]" if ":" in address else address
    try:
        # Not redirected: a pod must not send the operator to somebody else.
        async with session.get(f"http://{host}:{port}/status", allow_redirects=False) as answer:
            if answer.status != HTTPStatus.OK:
                return None
            given = json.loads(await _body(answer))
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        return None
    return given if isinstance(given, dict) else None


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _LARGEST:
            raise ValueError("more than a status is long")
    return bytes(body)


def _troubles(status: Raw, conditions: Mapping[str, Raw]) -> Iterator[str]:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("reason") == "Unschedulable":
        yield f"Unschedulable: {scheduled.get('message', '')}"
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        name, state = container["name"], container.get("state") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
        last = _ending(ended)
        if waiting.get("reason") == "CrashLoopBackOff":  # its message counts seconds
            yield f"container {name}: CrashLoopBackOff{f', it ended with {last}' if last else ''}"
        elif waiting.get("reason") in _STUCK:
            yield f"container {name}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
        elif ended.get("reason") == "OOMKilled" or ("terminated" in state and ended.get("exitCode")):
            yield f"container {name}: it ended with {last}"


def _ending(ended: Raw) -> str:
    if not ended:
        return ""
    if ended.get("reason") == "OOMKilled":
        return "OOMKilled: it needs more memory than its limit"
    said = f": {ended['message'].strip()}" if ended.get("message") else ""
    return f"exit status {ended.get('exitCode')}{said}"
