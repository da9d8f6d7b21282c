import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from aiohttp.test_utils import TestClient, TestServer

from doublegate.demo.far_side import FarSide, make_app
from doublegate.demo.records import far_side

DEADLINE = 20


def ask(requests):
    """Make (path, key, body) requests one after the other; returns their answers and what is kept."""

    async def all_of_them():
        calls = io.StringIO()
        async with TestClient(TestServer(make_app(FarSide(calls)))) as client:
            answers = []
            for path, key, body in requests:
                headers = {"Idempotency-Key": key} if key else {}
                answer = await client.post(path, data=body, headers=headers)
                answers.append((answer.status, await answer.json()))
            summary = await (await client.get("/summary")).json()
            effects = await (await client.get("/effects")).json()
        return answers, summary, effects, [json.loads(line) for line in calls.getvalue().splitlines()]

    return asyncio.run(all_of_them())


BODY = json.dumps({"id": "e-1", "owner": "me"})


def test_a_charge_is_performed_once_per_key_and_answered_the_same():
    answers, summary, effects, calls = ask([("/charge", "g:e-1", BODY)] * 3)
    assert [(a["charge"], a["repeated"]) for _, a in answers] == [(1, False), (1, True), (1, True)]
    assert summary["charge"] == {"calls": 3, "performed": 1, "ids": 1, "max_per_id": 1, "histogram": {"1": 1}}
    assert effects["performed"]["charge"] == {"e-1": 1}
    assert [(c["endpoint"], c["id"], c["key"], c["owner"]) for c in calls] == [
        ("charge", "e-1", "g:e-1", "me")
    ] * 3


def test_a_mail_is_performed_as_often_as_it_is_told():
    _, summary, effects, _ = ask([("/mail", "g:e-1", BODY)] * 2)
    assert summary["mail"]["max_per_id"] == 2
    assert effects["performed"]["mail"] == {"e-1": 2}


@pytest.mark.parametrize(("key", "body"), [("k", "no json"), ("k", '{"id": 1}'), ("k", "[]"), ("", BODY)])
def test_a_bad_call_is_refused_and_performs_nothing(key, body):
    answers, summary, _, _ = ask([("/charge", key, body)])
    assert answers[0][0] == 400
    assert summary["charge"]["performed"] == 0


@pytest.fixture
def process(tmp_path):
    arguments = ["--calls", str(tmp_path / "calls"), "--port-file", str(tmp_path / "port")]
    child = subprocess.Popen(
        [sys.executable, "-m", "doublegate.demo.far_side", *arguments], stdin=subprocess.PIPE
    )
    deadline = time.monotonic() + DEADLINE
    while not (tmp_path / "port").exists():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield child, f"http://127.0.0.1:{(tmp_path / 'port').read_text()}"
    child.kill()
    child.wait(DEADLINE)
    child.stdin.close()


def test_the_process_serves_and_ends_when_its_starter_is_gone(process):
    child, url = process
    assert far_side(url, "summary")["mail"]["calls"] == 0
    child.stdin.close()
    assert child.wait(DEADLINE) == 0


def test_the_process_ends_at_sigterm(process):
    child, _ = process
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(DEADLINE) == 0
