"""Which lines a selector means: values as JSON has them, compared as ``base.coerce`` says for the type that each line happens to use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from expunge.errors import Drift
from expunge.stores.base import coerce
from expunge.stores.jsonl_scan import CONTAINER, DIGITS, Leaf, plain
from expunge.terms import FieldType, Selector, Span, Value, text_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BOM = "\ufeff"
UNREADABLE = object()
"""What ``parse`` gives for a line that is no JSON."""
EPOCH_DIGITS = 9  # as text: fewer is a date (20260301), or nobody's time
TELLING = 6  # a value of so many letters seldom stands in a text by chance; a shorter one counts only beside its field's name
# An escape, or a bare number that has another text as well (1e3, 7.0, -0): then the quick look can't tell.
_ODD = re.compile(rb"\\|[\[:,]\s*(?:-?\d+(?:\.\d+)?[eE]|(?:-?\d+\.0+|-0)\s*[,\]}])")
_WORD = re.compile(rb'"[^"]*"|[^\s",:{}\[\]]+')

Get = Callable[[str], Iterator[object]]
"""The values that a line holds at a field."""


class Every(list[object]):
    """The values of a key that an object has several times."""


def parse(line: bytes) -> object:
    """The line's JSON value, or ``UNREADABLE``. Bytes that are no UTF-8 don't hide the rest of their line."""
    text = text_in(line)
    try:
        return _DECODER.decode(text)
    except (json.JSONDecodeError, RecursionError):
        return UNREADABLE


def text_in(line: bytes) -> str:
    """The line as text, from which the same bytes can be made again."""
    return line.decode(errors="surrogateescape").removeprefix(BOM)


def values_at(value: object, parts: Sequence[str]) -> Iterator[object]:
    """Every value at a dotted path, through lists, and with keys that contain dots themselves."""
    if isinstance(value, list):
        if not parts and not isinstance(value, Every):
            yield CONTAINER
        for one in value:
            yield from values_at(one, parts)
    elif not parts:
        yield CONTAINER if isinstance(value, dict) else value
    elif isinstance(value, dict):
        for size in range(1, len(parts) + 1):
            if (key := ".".join(parts[:size])) in value:
                yield from values_at(value[key], parts[size:])


def getter(record: object) -> Get:
    """``values_at`` by a declared field's name."""
    return lambda name: values_at(record, _parts(name))


def leaf_getter(leaves: Sequence[Leaf]) -> Get:
    """The same from what the scanner found."""
    by_path: dict[str, list[object]] = {}
    for leaf in leaves:
        by_path.setdefault(leaf.path, []).append(leaf.value)
    return lambda name: iter(by_path.get(plain(name), ()))


@lru_cache(maxsize=1024)
def _parts(name: str) -> tuple[str, ...]:
    return tuple(plain(name).split("."))


@dataclass(frozen=True, slots=True, repr=False)
class Conditions:
    """A selector, made ready."""

    where: str
    texts: Mapping[str, frozenset[str]]
    times: Mapping[str, frozenset[datetime]]
    spans: Mapping[str, Span]
    present: frozenset[str]
    words: frozenset[bytes]

    @classmethod
    def of(cls, selector: Selector, where: str) -> Conditions:
        """Read a selector."""
        texts = {name: frozenset(map(text_of, held)) for name, held in selector.any_of.items()}
        times = {name: frozenset(one for one in held if isinstance(one, datetime)) for name, held in selector.any_of.items()}
        narrow = min((held for name, held in texts.items() if not times[name]), key=len, default=frozenset[str]())
        words = frozenset(
            word for text in narrow for word in (text.encode(errors="surrogatepass"), b'"%s"' % text.encode(errors="surrogatepass"))
        )
        return cls(where, texts, times, selector.within, selector.present, words)

    @property
    def asked(self) -> tuple[str, ...]:
        """The fields by which lines are chosen."""
        return tuple(dict.fromkeys((*self.texts, *self.spans)))

    def hold(self, get: Get) -> bool:
        """Whether a line is meant.

        Raises:
            Drift: all else holds, and its time can't be read as one.
        """
        for name, texts in self.texts.items():
            times = self.times[name]
            if not any(_equals(value, texts) or (times and moment(value) in times) for value in get(name)):
                return False
        if self.present and not any(value is not None for name in self.present for value in get(name)):
            return False
        return all(self._within(name, span, get) for name, span in self.spans.items())

    def perhaps(self, line: bytes) -> bool:
        """A quick look: false only if the line is an object in which no value of the selector's smallest set stands, in any spelling."""
        return (
            not self.words
            or not line.startswith(b"{")
            or not line.endswith(b"}")
            or _ODD.search(line) is not None
            or not self.words.isdisjoint(_WORD.findall(line))
        )

    def named_in(self, text: str) -> bool:
        """Whether a text that is no JSON has a value of every set in it, as a word of its own."""
        return bool(self.texts) and all(
            any(value in text and _word(value, name, text) for value in texts) for name, texts in self.texts.items()
        )

    def _within(self, name: str, span: Span, get: Get) -> bool:
        held = [value for value in get(name) if value is not None]
        times = [moment(value) for value in held]
        if None in times:
            raise Drift(f"a line's {name!r} can't be read as a time", where=self.where)
        return any(span.holds(when) for when in times if when is not None)


def moment(value: object) -> datetime | None:
    """ISO 8601 text, or seconds, milli-, micro- or nanoseconds since 1970, as a time in UTC; ``None`` if it is neither."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and EPOCH_DIGITS <= len(value) <= DIGITS):
            when = coerce(value, FieldType.TIME)
            return when if isinstance(when, datetime) else None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # 1e11 seconds are the year 5138 and 1e11 milliseconds the year 1973: nothing that a device logs lies between. So on up to 1e20.
    unit = next((unit for unit in (1, 10**3, 10**6, 10**9) if abs(value) < 10**11 * unit), None)
    try:
        return None if unit is None else EPOCH + timedelta(microseconds=value * 10**6 // unit)
    except OverflowError:  # before the year 1
        return None


def carried(values: Iterator[object]) -> Value | None:
    """The first value that is no container and not null; a lone half of a character, which can't be stored, is replaced."""
    for value in values:
        if isinstance(value, str):
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if isinstance(value, int | float):
            return value
    return None


def _equals(value: object, texts: frozenset[str]) -> bool:
    if isinstance(value, str):
        return value in texts
    if isinstance(value, bool | int):
        return text_of(value) in texts
    if isinstance(value, float):
        return repr(value) in texts or (value.is_integer() and str(int(value)) in texts)
    return False


def _word(value: str, name: str, text: str) -> bool:
    """Whether the value stands in the text as a word of its own, and if it is short, the field's name too."""
    words = [value, *([plain(name).rpartition(".")[2]] if len(value) < TELLING else [])]
    return all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    held = dict(pairs)
    if len(held) == len(pairs):
        return held
    return {key: Every(value for name, value in pairs if name == key) for key in held}


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= DIGITS else text


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, strict=False)
