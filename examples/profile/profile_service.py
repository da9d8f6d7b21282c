"""A profile service: save, then refresh, and never see old data, however far behind the directory is.

    python examples/profile/profile_service.py BROKERS PRIMARY_DSN DIRECTORY_DSN

It shows the library and is no example of access control: whoever can reach it edits every profile.
"""

import asyncio
import os
import sys
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, quote

import uvicorn
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from profile_directory import Profile
from profile_pages import directory_page, profile_page
from profile_refusals import Refusals
from profile_store import ProfileStore

from doublegate import Producer
from doublegate.consistency import Consistency, ConsistencyMiddleware, Overlay, Reader, Source, Token, Tokens
from doublegate.consistency.inbox import InboxPositions
from doublegate.consistency.topic_ids import TopicIds

PATIENCE = 0.2
"""Seconds that a page may wait for the directory, to spare the primary."""


class ProfileService:
    """The application; `app` is what an ASGI server runs."""

    def __init__(
        self, brokers: str, primary: str, directory: str, topic: str = "profiles", group: str = "directory"
    ) -> None:
        kafka = {"bootstrap.servers": brokers}
        self._producer = Producer(kafka)
        self._store = ProfileStore(primary, directory, self._producer, topic)
        # The inbox's rows are in the directory's own database: what they say is true of what is read there.
        self._positions = InboxPositions(directory, group, TopicIds(kafka))
        self._reader = Reader(self._positions)
        self._overlay: Overlay[Profile | None] = Overlay(seconds=3600)
        self._refusals = Refusals(kafka, f"{group}.dlq", self._refused)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.app = ConsistencyMiddleware(self._serve, self._reader, Tokens(os.urandom(32)))

    def close(self) -> None:
        """End what runs."""
        self._refusals.close()
        self._reader.close()
        self._positions.close()
        self._store.close()
        self._producer.close()

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        self._loop = asyncio.get_running_loop()
        page, _, person = scope["path"].strip("/").partition("/")
        consistency: Consistency = scope["state"]["consistency"]
        if not person or page not in ("profile", "directory"):
            await _answer(send, 404, "there is /profile/NAME and /directory/NAME")
        elif page == "directory":
            await _answer(send, 200, await self._directory(person))
        elif scope["method"] == "POST":
            await self._save(person, await _form(receive), consistency)
            await _answer(send, 303, "", [(b"location", f"/profile/{quote(person)}".encode())])
        else:
            await _answer(send, 200, await self._profile(person, consistency))

    async def _profile(self, person: str, consistency: Consistency) -> str:
        decision = await consistency.read(PATIENCE)
        replica = decision.source is Source.REPLICA
        read = self._store.from_directory if replica else self._store.from_primary
        profile = await asyncio.to_thread(read, person)
        return profile_page(person, profile, decision.source.name.lower(), decision.cause.name.lower())

    async def _save(self, person: str, form: dict[str, str], consistency: Consistency) -> None:
        profile = Profile(person=person, name=form.get("name", ""), about=form.get("about", ""))
        token = await asyncio.to_thread(self._store.save, profile)
        self._overlay.wrote(person, profile, token)
        consistency.wrote(token)

    async def _directory(self, person: str) -> str:
        # First what is applied, then the list: the other way round an entry could be in neither.
        decision = await self._reader.read_async(*self._overlay.tokens(person), timeout=0)
        self._overlay.settle(decision.progress)
        listing: dict[str, Profile | None] = {**await asyncio.to_thread(self._store.listing)}
        listing[person] = self._overlay.view(person, listing.get(person))
        refusal = self._overlay.refusal(person)
        shown = [profile for _, profile in sorted(listing.items()) if profile is not None]
        return directory_page(person, shown, refusal.reason if refusal is not None else "")

    def _refused(self, token: Token, reason: str) -> None:
        if self._loop is not None:  # nobody has written yet otherwise
            self._loop.call_soon_threadsafe(self._overlay.refuse, token, reason)


async def _form(receive: Any) -> dict[str, str]:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return {name: values[-1] for name, values in parse_qs(body.decode()).items()}


async def _answer(
    send: Any, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    # A page from the browser's own cache would be old data that no token can help against.
    always = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": [*always, *(headers or [])]})
    await send({"type": "http.response.body", "body": text.encode()})


def _main(brokers: str, primary: str, directory: str) -> None:
    with AdminClient({"bootstrap.servers": brokers}) as admin, suppress(KafkaException):  # it may be there
        admin.create_topics([NewTopic("profiles", 3, 1)])["profiles"].result()
    service = ProfileService(brokers, primary, directory)
    uvicorn.run(service.app, host="127.0.0.1", port=8000, lifespan="off")
    service.close()


if __name__ == "__main__":
    _main(*sys.argv[1:])
