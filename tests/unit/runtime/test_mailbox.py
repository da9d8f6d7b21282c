from __future__ import annotations

import threading
import time

from doublegate.runtime.mailbox import Mailbox, Timers


def test_calls_are_made_in_order_and_none_is_lost() -> None:
    mailbox, seen = Mailbox(), []
    for number in range(1000):
        mailbox.put(seen.append, number)
    while len(seen) < 1000:
        before = len(seen)
        mailbox.serve(0)
        assert len(seen) > before
    assert seen == list(range(1000))


def test_a_call_may_put_another() -> None:
    mailbox, seen = Mailbox(), []
    mailbox.put(lambda: mailbox.put(seen.append, 1))
    mailbox.serve(0)
    mailbox.serve(0)
    assert seen == [1]


def test_it_wakes_for_mail_from_another_thread() -> None:
    mailbox, seen = Mailbox(), []
    thread = threading.Thread(target=mailbox.put, args=(seen.append, 1))
    thread.start()
    mailbox.serve(20)
    thread.join()
    assert seen == [1]


def test_no_mail_is_no_error() -> None:
    Mailbox().serve(0)
    Mailbox().serve(0.001)


def test_timers_run_when_due_in_the_order_of_their_times() -> None:
    timers, seen = Timers(), []
    now = time.monotonic()
    timers.after(20, seen.append, "later")
    timers.after(10, seen.append, "sooner")
    timers.after(10, seen.append, "as soon")
    timers.run(now)
    assert seen == []
    assert timers.wait(now, 5) == 5
    assert 9 < timers.wait(now, 60) < 11
    timers.run(now + 12)
    assert seen == ["sooner", "as soon"]
    timers.run(now + 60)
    assert seen == ["sooner", "as soon", "later"]
    assert timers.wait(now, 3) == 3
    assert timers.wait(now + 100, 3) == 3
