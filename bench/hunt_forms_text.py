"""What somebody said, as it turns up elsewhere: quoted, re-cased, wrapped, cut into words, and edited."""

from __future__ import annotations

import base64
import html
import json
import random
from collections.abc import Callable

from bench.hunt_plant import Maker, Way, said
from expunge.hunt.prints import Trace

Edit = Callable[[list[str], random.Random], str]

_FILLERS = ("um", "well", "please", "now", "so", "actually", "maybe")


def _without(words: list[str], chance: random.Random) -> str:
    gone = chance.randrange(1, len(words) - 1)
    return " ".join(words[:gone] + words[gone + 1 :])


def _changed(words: list[str], chance: random.Random) -> str:
    at = chance.randrange(len(words))
    return " ".join([*words[:at], chance.choice(_FILLERS), *words[at + 1 :]])


def _typo(words: list[str], chance: random.Random) -> str:
    at = max(range(len(words)), key=lambda place: len(words[place]))
    word = words[at]
    cut = chance.randrange(1, len(word))
    return " ".join([*words[:at], word[: cut - 1] + word[cut:], *words[at + 1 :]])


def _more(words: list[str], chance: random.Random) -> str:
    at = chance.randrange(1, len(words))
    return " ".join([*words[:at], chance.choice(_FILLERS), *words[at:]])


def _swapped(words: list[str], chance: random.Random) -> str:
    at = chance.randrange(len(words) - 1)
    return " ".join([*words[:at], words[at + 1], words[at], *words[at + 2 :]])


def _punctuated(words: list[str], _chance: random.Random) -> str:
    return (", ".join((" ".join(words[:3]), " ".join(words[3:]))) + "?").capitalize()


EXACT: tuple[tuple[str, Edit], ...] = (
    ("text as it is", lambda words, _: " ".join(words)),
    ("text in capitals", lambda words, _: " ".join(words).upper()),
    ("text as a title", lambda words, _: " ".join(words).title()),
    ("text with punctuation", _punctuated),
    ("text inside other text", lambda words, _: f"She then said “{' '.join(words)}”, and we shipped it on Monday."),
    ("text with blanks doubled", lambda words, _: "  ".join(words)),
    ("text joined by underscores", lambda words, _: "_".join(words)),
    ("text joined by +", lambda words, _: "q=" + "+".join(words) + "&lang=en"),
    ("text joined by %20", lambda words, _: "q=" + "%20".join(words) + "&lang=en"),
    ("text as JSON escapes", lambda words, _: '"' + "".join(f"\\u{ord(one):04x}" for one in " ".join(words)) + '"'),
    ("text in base64", lambda words, _: base64.b64encode(" ".join(words).encode()).decode()),
    ("text in hex", lambda words, _: " ".join(words).encode().hex()),
    ("text over two lines", lambda words, _: " ".join(words[:3]) + "\n    " + " ".join(words[3:])),
    ("text, one word a line", lambda words, _: "\n".join(words)),
    ("text in HTML tags", lambda words, _: "<p>" + " ".join(f"<b>{html.escape(one)}</b>" for one in words) + "</p>"),
)

EDITED: tuple[tuple[str, Edit], ...] = (
    ("text, a word left out", _without),
    ("text, a word replaced", _changed),
    ("text, a word put in", _more),
    ("text, two words swapped", _swapped),
    ("text, a letter left out", _typo),
    ("text, first word cut", lambda words, _: " ".join(words[1:])),
)


def _times(words: list[str]) -> str:
    """As speech recognisers give it: a row for each word."""
    told = [
        {"word": one, "start": round(0.31 * place, 2), "end": round(0.31 * place + 0.28, 2), "conf": 0.97}
        for place, one in enumerate(words)
    ]
    return json.dumps({"results": [{"alternatives": [{"words": told}]}]})


def _subtitles(words: list[str]) -> str:
    parts = [words[:3], words[3:]]
    return "\n".join(f"{place + 1}\n00:00:0{place},000 --> 00:00:0{place + 1},000\n{' '.join(part)}\n" for place, part in enumerate(parts))


def _chat(words: list[str]) -> str:
    return f"[04.03.24, 11:02:07] Mama: {' '.join(words)}\n[04.03.24, 11:02:31] Papa: ok"


def _planted(edit: Edit) -> Callable[[Maker, Trace], bytes]:
    return lambda maker, trace: maker.lines(edit(said(trace).split(), maker.random).encode())


def ways() -> list[Way]:
    """Texts in files of text, each several times: sentences differ in how much they say."""
    several = ("text",) * 3
    found = [Way(name, "text", several, _planted(edit), ".txt") for name, edit in EXACT]
    found += [Way(name, "edited text", ("text",) * 6, _planted(edit), ".txt", 0.95) for name, edit in EDITED]
    found += [
        Way("text, last two words cut", "edited text", ("text",) * 6, _planted(lambda words, _: " ".join(words[:-2])), ".txt", None),
        Way("text, only its last four words", "edited text", ("text",) * 6, _planted(lambda words, _: " ".join(words[-4:])), ".txt", None),
        Way("text as words with times", "text", several, _planted(lambda words, _: _times(words)), ".json", None),
        Way("text as subtitles", "text", several, _planted(lambda words, _: _subtitles(words)), ".srt", None),
        Way("text in a chat export", "text", several, _planted(lambda words, _: _chat(words)), ".txt"),
        Way(
            "text in UTF-16",
            "text",
            several,
            lambda maker, one: b"\xff\xfe" + _planted(lambda words, _: " ".join(words))(maker, one).decode().encode("utf-16-le"),
            ".txt",
        ),
    ]
    return found
