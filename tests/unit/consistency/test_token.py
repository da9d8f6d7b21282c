"""Tokens: text and back, nothing foreign gets in, and they stay short."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doublegate.consistency import Token, Tokens, UnusableToken
from doublegate.consistency.token import MAX_TOKEN_CHARACTERS, MAX_TOPIC_BYTES, UNKNOWN_OFFSET
from doublegate.contract.identity import MAX_ID_BYTES

KEY = b"k" * 32
SIGNED, PLAIN = Tokens(KEY), Tokens()
TOKEN = Token("profiles", 3, 1_000_000, "0123456789abcdef0123456789abcdef")

topics = st.from_regex(r"[a-zA-Z0-9._-]{1,249}", fullmatch=True)
ids = st.text(min_size=1, max_size=MAX_ID_BYTES).filter(lambda text: len(text.encode()) <= MAX_ID_BYTES)
tokens = st.builds(Token, topics, st.integers(0, 2**31 - 1), st.integers(0, UNKNOWN_OFFSET), ids)
codecs = st.sampled_from([SIGNED, PLAIN])


@given(tokens, codecs)
def test_round_trip_in_characters_that_go_anywhere(token, codec):
    text = codec.encode(token)
    assert codec.decode(text) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert len(text) <= MAX_TOKEN_CHARACTERS


@given(tokens, st.data())
def test_any_changed_character_is_refused_under_a_key(token, data):
    text = SIGNED.encode(token)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=255).filter(lambda c: c != text[at]))
    for changed in (text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], text + other):
        with pytest.raises(UnusableToken):
            SIGNED.decode(changed)


@given(tokens)
def test_a_token_of_another_key_or_kind_is_refused(token):
    for codec, text in (
        (SIGNED, Tokens(b"o" * 32).encode(token)),
        (SIGNED, PLAIN.encode(token)),
        (PLAIN, SIGNED.encode(token)),
    ):
        with pytest.raises(UnusableToken):
            codec.decode(text)


@given(tokens)
def test_a_key_is_changed_in_two_steps_without_losing_tokens(token):
    old, new = Tokens(KEY), Tokens(b"n" * 32)
    both, turned = Tokens(KEY, also=[b"n" * 32]), Tokens(b"n" * 32, also=[KEY])
    for writer, reader in ((old, both), (both, old), (both, turned), (turned, both), (new, turned)):
        assert reader.decode(writer.encode(token)) == token
    with pytest.raises(UnusableToken):
        both.decode(Tokens(b"o" * 32).encode(token))


@given(st.one_of(st.text(max_size=1200), st.binary(max_size=600).map(lambda raw: raw.hex())), codecs)
def test_anything_else_is_refused_by_its_name_only(text, codec):
    try:
        token = codec.decode(text)
    except UnusableToken:
        return
    assert codec is PLAIN
    assert codec.encode(token) == text


def test_the_sizes_that_the_page_tells():
    assert len(PLAIN.encode(TOKEN)) == 62
    assert len(SIGNED.encode(TOKEN)) == 83
    longest = Token("t" * MAX_TOPIC_BYTES, 2**31 - 1, UNKNOWN_OFFSET, "i" * MAX_ID_BYTES)
    assert len(SIGNED.encode(longest)) == MAX_TOKEN_CHARACTERS == 715


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="16"):
        Tokens(b"secret")
    with pytest.raises(ValueError, match="16"):
        Tokens(KEY, also=[b"secret"])
    with pytest.raises(ValueError, match="the one that signs"):
        Tokens(also=[KEY])
