"""The middleware: tokens in, decisions inside, tokens out; and nothing foreign makes an error."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.consistency import Cause, ConsistencyMiddleware, Progress, Reader, Token, Tokens, carrier

KEYED = Tokens(b"k" * 32)
OLD, NEW = Token("profiles", 0, 7, "old"), Token("profiles", 1, 9, "new")


class Applied:
    def __init__(self):
        self.asked = []

    def progress(self, tokens):
        self.asked.append(tuple(tokens))
        return [Progress.APPLIED] * len(tokens)


def request(app, *, headers=(), scheme="http", kind="http", positions=None):
    """What the application sends back."""
    sent = []

    async def send(message):
        sent.append(message)

    async def run():
        reader = Reader(positions or Applied())
        scope = {"type": kind, "headers": list(headers), "scheme": scheme, "state": {"theirs": 1}}
        await ConsistencyMiddleware(app, reader, KEYED)(scope, None, send)
        reader.close()

    asyncio.run(run())
    return sent


def answering(work):
    async def app(scope, receive, send):
        await work(scope["state"]["consistency"])
        assert scope["state"]["theirs"] == 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
        await send({"type": "http.response.body", "body": b""})

    return app


async def nothing(consistency):
    pass


async def writes(consistency):
    consistency.wrote(NEW)


def test_a_request_that_only_reads_sets_nothing():
    positions = Applied()
    decisions = []

    async def reads(consistency):
        decisions.append(await consistency.read(0.1))

    cookie = f"a=b; {carrier.NAME}={KEYED.encode(OLD)}; c=d".encode()
    start, _ = request(answering(reads), headers=[(b"cookie", cookie)], positions=positions)
    assert start["headers"] == [(b"x", b"y")]
    assert positions.asked == [(OLD,)]
    assert decisions[0].cause is Cause.APPLIED


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_that_wrote_sends_all_tokens_by_header_and_cookie(scheme):
    header = (carrier.NAME.encode(), KEYED.encode(OLD).encode())
    start, _ = request(answering(writes), headers=[header], scheme=scheme)
    assert start["headers"][0] == (b"x", b"y")
    added = dict(start["headers"][1:])
    text = added[carrier.NAME.encode()].decode()
    assert carrier.read([(carrier.NAME.encode(), text.encode())], KEYED) == (OLD, NEW)
    cookie = added[b"set-cookie"].decode()
    assert cookie.startswith(f"{carrier.NAME}={text}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax")
    assert cookie.endswith("; Secure") == (scheme == "https")


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_scopes_pass(kind):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["state"])

    request(app, kind=kind)
    assert seen == [{"theirs": 1}]


def test_a_write_after_the_start_is_said(caplog):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        scope["state"]["consistency"].wrote(NEW)

    with caplog.at_level(logging.ERROR):
        request(app)
    assert "after its response had started" in caplog.text


raw = st.binary(max_size=300)
names = st.sampled_from([b"cookie", carrier.NAME.encode(), b"host"])


@given(st.lists(st.tuples(names, raw | raw.map(lambda value: carrier.NAME.encode() + b"=" + value))))
def test_whatever_a_request_brings_is_no_error(headers):
    assert carrier.read(headers, KEYED) == ()


@given(
    st.lists(
        st.builds(
            Token,
            st.text("ab", min_size=1, max_size=249),
            st.just(0),
            st.integers(0, 99),
            st.text("xy", min_size=1, max_size=255),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_the_newest_tokens_travel_within_what_a_cookie_holds(held):
    text = carrier.join(held, KEYED)
    assert len(text) <= 2000
    back = carrier.read(
        [(b"cookie", carrier.set_cookie(text, secure=True).partition(";")[0].encode())], KEYED
    )
    unique = tuple(dict.fromkeys(held))
    assert back
    assert back == unique[-len(back) :]
