"""The profile service over HTTP: save, then refresh, with its consumer running, frozen and refusing."""

from __future__ import annotations

import random
import re
import shutil
import signal
import socket
import sys
import threading
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from playwright.sync_api import sync_playwright

from tests.helpers import eventually
from tests.integration.conftest import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from doublegate.local.model import Endpoints
    from tests.consumers import Group, Member

EXAMPLE = Path(__file__).parents[2] / "examples" / "profile"
SECONDS = 30.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
pytestmark = pytest.mark.timeout(360)  # three processes, a browser and four servers start
HANDLER = "from profile_directory import publish as handle"


class Site:
    """The service as it runs, and the consumer that feeds its directory."""

    def __init__(self, url: str, consumer: Member) -> None:
        self.url = url
        self.consumer = consumer

    def freeze(self) -> None:
        self.consumer.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.consumer.signal(signal.SIGCONT)


@pytest.fixture
def site(
    group: Group, endpoints: Endpoints, pg_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    (tmp_path / "secrets" / "directory").mkdir(parents=True)
    (tmp_path / "secrets" / "directory" / "dsn").write_text(pg_dsn)
    monkeypatch.setenv("DOUBLEGATE_SECRETS", str(tmp_path / "secrets"))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    from profile_service import ProfileService

    with fresh_database(endpoints) as primary, socket.socket() as listening:
        service: Any = ProfileService(
            str(endpoints.bootstrap_servers), primary, pg_dsn, topic=group.topic, group=group.name
        )
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(service.app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        consumer = group.spawn(HANDLER, inbox={"secretRef": "directory"}, handler={"idempotent": True})
        try:
            eventually(lambda: server.started and consumer.ready, 2 * SECONDS)
            yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", consumer)
        finally:
            group.stop()
            server.should_exit = True
            thread.join(SECONDS)
            service.close()
    for name in [name for name in sys.modules if name.startswith("profile_")]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        # as root in a container there is no sandbox to be had; it loads our own pages only
        running = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


def save(page: Page, name: str, about: str = "") -> None:
    page.fill("input[name=name]", name)
    page.fill("input[name=about]", about)
    page.click("button")
    page.wait_for_load_state()


def read_from(page: Page) -> tuple[str, str]:
    return page.inner_text("#source"), page.inner_text("#cause")


def test_a_browser_that_saves_and_refreshes_never_sees_old_data(site: Site, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{site.url}/profile/ann")
    save(page, "Ann the first")
    assert page.inner_text("#name") == "Ann the first"

    def in_the_directory(name: str) -> bool:
        page.reload()
        assert page.inner_text("#name") == name
        return read_from(page) == ("replica", "applied")

    eventually(lambda: in_the_directory("Ann the first"), SECONDS)

    site.freeze()
    for name in ("Ann the second", "Ann the third"):
        save(page, name)
        for _ in range(3):
            assert (page.inner_text("#name"), *read_from(page)) == (name, "primary", "timeout")
            page.reload()
    page.goto(f"{site.url}/directory/ann")
    assert page.inner_text("#ann") == "Ann the third"
    stranger = browser.new_context().new_page()  # wrote nothing, so the directory as it is will do
    stranger.goto(f"{site.url}/profile/ann")
    assert (stranger.inner_text("#name"), *read_from(stranger)) == ("Ann the first", "replica", "no_token")

    site.thaw()
    page.goto(f"{site.url}/profile/ann")
    eventually(lambda: in_the_directory("Ann the third"), SECONDS)
    stranger.reload()
    assert stranger.inner_text("#name") == "Ann the third"


def test_a_refused_entry_disappears_with_its_reason(site: Site, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{site.url}/profile/ben")
    save(page, "Ben")
    save(page, "Ben", "look at http://example.org")
    page.goto(f"{site.url}/directory/ben")

    def refused() -> bool:
        page.reload()
        told = page.query_selector("#refusal")
        return told is not None and "the directory takes no links" in told.inner_text()

    eventually(refused, SECONDS)
    assert page.inner_text("#ben") == "Ben"  # with what was there before it
    page.goto(f"{site.url}/profile/ben")

    def kept_by_the_primary() -> bool:
        page.reload()
        assert page.inner_text("#about") == "look at http://example.org"  # never old to its owner
        return read_from(page) == ("primary", "refused")

    eventually(kept_by_the_primary, SECONDS)  # the inbox's watermark tells it, some seconds later


class Person:
    """Somebody with cookies."""

    def __init__(self, site: Site, name: str) -> None:
        self.url = f"{site.url}/profile/{name}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def look(self, form: dict[str, str] | None = None) -> tuple[str, str]:
        """The name on the page, and where it was read; with a form it is saved first."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        with self._opener.open(self.url, data, timeout=SECONDS) as answer:
            text = answer.read().decode()
        found = [re.search(rf'id="{part}">([^<]*)<', text) for part in ("name", "source")]
        name, source = (unescape(match[1]) for match in found if match is not None)
        return name, source


def test_many_people_at_once_while_the_consumer_comes_and_goes(site: Site) -> None:
    sources: list[str] = []
    over = threading.Event()

    def visit(number: int) -> None:
        person, draw = Person(site, f"p{number}"), random.Random(number)
        for turn in range(25):
            name = f"<{number}> & {turn}"
            sources.append(_same(person.look({"name": name}), name))
            sources.extend(_same(person.look(), name) for _ in range(draw.randrange(4)))

    def disturb() -> None:
        draw = random.Random(0)
        while not over.wait(draw.uniform(0.3, 1.5)):
            site.freeze()
            over.wait(draw.uniform(0.1, 1.0))
            site.thaw()

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        with ThreadPoolExecutor(6) as threads:
            for done in [threads.submit(visit, number) for number in range(6)]:
                done.result(150)
    finally:
        over.set()
        disturber.join()
    assert {"replica", "primary"} <= set(sources)


def _same(seen: tuple[str, str], name: str) -> str:
    assert seen[0] == name
    return seen[1]
