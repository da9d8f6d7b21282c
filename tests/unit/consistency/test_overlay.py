"""The overlay against a model that keeps everything and thinks about it when it is asked."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from doublegate.consistency import Overlay, Progress, Refusal, Token
from doublegate.consistency.token import UNKNOWN_OFFSET

ITEMS = ("ann", "ben", "cat")
SECONDS, LIMIT = 10, 6
BASE = "base"


@dataclass
class Write:
    item: str
    token: Token
    value: str
    at: float
    reason: str = ""


class OverlayMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.overlay = Overlay(seconds=SECONDS, limit=LIMIT, clock=lambda: self.now)
        self.writes: list[Write] = []
        self.all: list[Token] = []

    # --- the model

    def forget(self):
        kept = [write for write in self.writes if write.at + SECONDS > self.now]
        self.writes = kept[-LIMIT:]

    def of(self, item):
        """An item's writes: by offset; a key has one partition, the item's."""
        return sorted((w for w in self.writes if w.item == item), key=lambda w: w.token.offset)

    def named(self, token):
        return next((w for w in self.writes if w.token == token), None)

    # --- what happens

    @rule(item=st.sampled_from(ITEMS), offset=st.integers(0, 30))
    def write(self, item, offset):
        token = Token("t", ITEMS.index(item) % 2, offset * 3 + ITEMS.index(item), f"{item}-{offset}")
        self.forget()
        self.overlay.wrote(item, token.event_id, token)
        self.all.append(token)
        if self.named(token) is None:
            self.writes.append(Write(item, token, token.event_id, self.now))
        self.forget()

    @rule(seconds=st.floats(0.1, 6))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(data=st.data(), progress=st.sampled_from(Progress))
    def settle(self, data, progress):
        if not self.all:
            return
        token = data.draw(st.sampled_from(self.all))
        self.forget()
        self.overlay.view("nobody", BASE)  # lets go of what is over, as every look does
        self.overlay.settle({token: progress})
        write = self.named(token)
        if write is not None and progress is Progress.APPLIED:
            gone = [w for w in self.of(write.item) if w.token.offset <= token.offset]
            self.writes = [w for w in self.writes if w not in gone]
        elif write is not None and progress is Progress.REFUSED:
            write.reason = write.reason or "its event is a dead letter of the consumer group"

    @rule(data=st.data())
    def refuse(self, data):
        if not self.all:
            return
        token = data.draw(st.sampled_from(self.all))
        self.forget()
        self.overlay.view("nobody", BASE)
        self.overlay.refuse(token, "bad name")
        write = self.named(token)
        if write is not None:
            write.reason = "bad name"

    # --- what holds

    @invariant()
    def it_shows_what_the_model_shows(self):
        self.forget()
        for item in ITEMS:
            writes = self.of(item)
            pending = [w for w in writes if not w.reason]
            assert self.overlay.view(item, BASE) == (pending[-1].value if pending else BASE)
            assert self.overlay.tokens(item) == tuple(w.token for w in pending)
            last = writes[-1] if writes else None
            expected = Refusal(last.value, last.reason) if last and last.reason else None
            assert self.overlay.refusal(item) == expected
        assert self.overlay.tokens(*ITEMS) == tuple(t for item in ITEMS for t in self.overlay.tokens(item))

    @invariant()
    def it_is_bounded(self):
        assert len(self.overlay) <= LIMIT


TestOverlay = OverlayMachine.TestCase
TestOverlay.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def overlay():
    return Overlay(seconds=60, clock=lambda: 0.0)


def token(offset, partition=0):
    return Token("t", partition, offset, f"e{partition}-{offset}")


def test_a_refused_write_gives_way_to_the_one_before_it():
    it = overlay()
    it.wrote("ann", "first", token(1))
    it.wrote("ann", "second", token(2))
    it.refuse(token(2), "second is no name")
    assert it.view("ann", "old") == "first"
    assert it.refusal("ann") == Refusal("second", "second is no name")
    it.wrote("ann", "third", token(3))
    assert it.view("ann", "old") == "third"
    assert it.refusal("ann") is None


def test_the_letters_own_reason_replaces_the_readers_and_is_kept():
    it = overlay()
    it.wrote("ann", "x", token(1))
    it.settle({token(1): Progress.REFUSED})
    assert "dead letter" in it.refusal("ann").reason
    it.refuse(token(1), "x is no name")
    it.settle({token(1): Progress.REFUSED})
    assert it.refusal("ann").reason == "x is no name"


def test_a_refused_write_that_is_replayed_is_gone():
    it = overlay()
    it.wrote("ann", "x", token(1))
    it.refuse(token(1), "no")
    it.settle({token(1): Progress.APPLIED})
    assert (it.refusal("ann"), len(it)) == (None, 0)


def test_without_an_offset_the_later_arrival_is_in_effect_and_a_letter_finds_it():
    it = overlay()
    nowhere = Token("t", 0, UNKNOWN_OFFSET, "unplaced")
    it.wrote("ann", "unplaced", nowhere)
    it.wrote("ann", "later", token(5))
    assert it.view("ann", "old") == "later"
    it.settle({token(5): Progress.APPLIED})
    assert it.tokens("ann") == (nowhere,)
    it.refuse(Token("t", 0, 4, "unplaced"), "no name")  # as its dead letter has it
    assert it.refusal("ann") == Refusal("unplaced", "no name")


def test_between_partitions_the_later_arrival_is_in_effect():
    it = overlay()
    it.wrote("ann", "before the topic grew", token(900, 0))
    it.wrote("ann", "after", token(1, 7))
    assert it.view("ann", "old") == "after"
    it.settle({token(1, 7): Progress.APPLIED})
    assert it.tokens("ann") == (token(900, 0),)
