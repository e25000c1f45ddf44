"""The sweep against a slow oracle: what stands in the clear or encoded by anything in any order is found, and nothing else is."""

from __future__ import annotations

import base64
import html
import random
import urllib.parse
import uuid
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.hunt_corpus import Corpus
from expunge.hunt.pieces import Blob
from expunge.hunt.prints import Role, Tier, Trace
from expunge.hunt.strings_forms import words_of
from expunge.hunt.strings_hash import hash_span, join, needle_words
from expunge.hunt.strings_layout import PAD, TAIL
from expunge.hunt.strings_needles import padded
from tests.hunt.strings.looking import PLACE, found, home, matcher

ENCODINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda held: held,
    base64.b64encode,
    base64.urlsafe_b64encode,
    lambda held: held.hex().encode(),
    lambda held: urllib.parse.quote_from_bytes(held, safe="").encode(),
    lambda held: html.escape(held.decode("latin-1")).encode("latin-1"),
)

local = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=4, max_size=12)
addresses = st.builds("{}.{}@{}.example".format, local, local, local)
noise = st.binary(max_size=90).map(lambda held: b"\n" + held.replace(b"@", b" ") + b"\n")


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(addresses, min_size=1, max_size=6, unique=True), st.lists(st.tuples(noise, st.integers(0, 5), st.integers(0, 5)), max_size=6)
)
def test_what_is_planted_is_found_and_nothing_else(needles: list[str], planted: list[tuple[bytes, int, int]]) -> None:
    by = matcher([Trace(place, Role.KEY, "app.people.email", "email", needle) for place, needle in enumerate(needles)])
    content, expected = b"", set()
    for before, which, how in planted:
        person = which % len(needles)
        content += before + b"\n" + ENCODINGS[how](b"mail to " + needles[person].encode() + b" today, please ") + b"\n"
        expected.add((person, "email"))
    assert found(content, by) == expected


@settings(deadline=None, max_examples=150, derandomize=True)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_show_nobody(content: bytes) -> None:
    assert not found(content)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            [b"%", b"\\u", b"&#", b"=", b"<b", b"00", b"@", b"\xc2", b"\xe2\x80", b"\x00a", b"A", b"9" * 25, b"Ab" * 12, b"\n"]
        ),
        max_size=80,
    )
)
def test_broken_escapes_break_nothing(parts: list[bytes]) -> None:
    assert not found(b"".join(parts))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.text(max_size=120))
def test_python_and_the_kernel_see_the_same_words(text: str) -> None:
    content = text.encode("utf-8", "replace")
    pad, _, _ = padded([content])
    ends, hashes = np.empty(len(content) + 4, np.int32), np.empty(len(content) + 4, np.uint64)
    count = needle_words(pad, len(pad) - PAD - TAIL, ends, hashes)
    assert [found_.end() + PAD for found_ in words_of(content)] == ends[:count].tolist()


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_spans_hash_alike_if_they_differ_in_ascii_case_only(one: bytes, other: bytes) -> None:
    def hashed(content: bytes, *, fold: bool) -> int:
        pad, starts, lengths = padded([content])
        return int(hash_span(pad, int(starts[0]), int(lengths[0]), fold))

    assert hashed(one, fold=True) == hashed(one.swapcase(), fold=True)
    assert (hashed(one, fold=True) == hashed(other, fold=True)) == (one.lower() == other.lower())
    assert (hashed(one, fold=False) == hashed(other, fold=False)) == (one == other)
    assert hashed(one, fold=False) != hashed(one, fold=True)


def test_grams_tell_order_apart() -> None:
    one, two, three = (np.uint64(number * 0x9E3779B97F4A7C15 % 2**64) for number in (1, 2, 3))
    assert len({int(join(*words)) for words in ((one, two, three), (two, one, three), (three, two, one), (one, three, two))}) == 4


def near(needle: str, chance: random.Random) -> str:
    """A needle with one letter changed to another of its kind."""
    place = chance.choice([at for at, letter in enumerate(needle) if letter.isalnum()])
    digits = "0123456789" if needle[place].isdigit() else "abcdefghijklmnopqrstuvwxyz"
    return needle[:place] + chance.choice([one for one in digits if one != needle[place].lower()]) + needle[place + 1 :]


def test_decoys_are_not_found() -> None:
    corpus, chance = Corpus(3), random.Random(4)
    traces = list(corpus.traces(3_000))
    by = matcher(traces)
    keys = {str(one.value).lower() for one in traces if one.role is Role.KEY}
    lines = [near(str(chance.choice(traces).value), chance) for _ in range(4_000)]
    lines += [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(2_000)] + [f"{chance.getrandbits(256):064x}" for _ in range(2_000)]
    lines = [line for line in lines if line.lower() not in keys]
    content = "\n".join(lines).encode()
    wrong = [one for one in by.look(Blob(PLACE, 0, content)) if one.tier is Tier.FOUND and one.kind.value == "identifier"]
    assert [content[one.offset or 0 :][: one.length] for one in wrong] == []


@pytest.mark.slow
def test_a_million_clean_lines_show_nobody() -> None:
    traces = list(Corpus(3).traces(20_000))
    by = matcher(traces)
    keys = {str(one.value).lower() for one in traces}
    content = Corpus(8).plain(125 << 20)
    assert content.count(b"\n") >= 1_000_000
    seen = [one for one in by.look(Blob(PLACE, 0, content)) if one.tier is Tier.FOUND]
    shown = [content[one.offset or 0 :][: one.length].decode().lower() for one in seen]
    assert [one for one in shown if one not in keys] == []  # what is there by chance is no false alarm


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_edited_texts_are_seen(share: float) -> None:
    corpus, other, chance = Corpus(1), Corpus(9), random.Random(5)
    traces = list(corpus.traces(4_000))
    by = matcher(traces)
    texts = [one for one in traces if one.role is Role.TEXT and len(str(one.value).split()) >= 8]
    seen = 0
    for trace in texts[:400]:
        words = str(trace.value).split()
        for _ in range(round(len(words) * share)):
            words[chance.randrange(len(words))] = other.word()
        seen += any(one.subject == trace.subject for one in by.look(Blob(PLACE, 0, " ".join(words).encode())))
    assert seen / min(len(texts), 400) >= 0.95


def test_the_matcher_of_the_house_is_shared() -> None:
    assert home() is home()
