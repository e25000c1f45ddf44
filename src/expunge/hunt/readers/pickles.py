"""Pickles, read without executing: Python's own, joblib's, cloudpickle's, and PyTorch's in both of its forms."""

from __future__ import annotations

from collections.abc import Iterator

from expunge.hunt.pieces import Piece, Unread, Why
from expunge.hunt.readers import pickles_torch
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.arrays_signs import is_pickle
from expunge.hunt.readers.arrays_views import size_of, view
from expunge.hunt.readers.pickles_machine import Machine
from expunge.hunt.readers.pickles_opcodes import ACTS
from expunge.hunt.readers.pickles_source import Source, TooSlow
from expunge.hunt.reading import Format, Nested, Opened, Reading


def read(opened: Opened) -> Reading:
    """What lies in one pickle, or in several written one after the other; what follows the last is a stream of its own."""
    size = size_of(opened.file)
    source = Source(opened.file, size, opened.limits.seconds)
    try:
        yield from _each(opened, source)
    except TooSlow:
        opened.account.unread.append(Unread(opened.place, Why.TOO_SLOW, size))


def _each(opened: Opened, source: Source) -> Iterator[Piece | Nested]:
    tensors: list[pickles_torch.Tensor] = []
    first = True
    while not tensors and (first or _more(source)):
        first = False
        machine = Machine(opened, source, ACTS)
        yield from walked(machine)
        tensors = pickles_torch.tensors(machine)
    if tensors:
        names = Machine(opened, source, ACTS)
        names.whole = True
        yield from walked(names)
        yield from pickles_torch.after(opened, source, tensors, names.texts)
    elif (left := source.size - source.position) > 0:
        rest = opened.place.inside(f"rest@{source.position}")
        yield Nested(rest, view(opened.file, source.position, left), left, seekable=True)


def walked(machine: Machine) -> Iterator[Piece | Nested]:
    """A pickle's content; if it breaks off, what was gathered until then as well.

    Raises:
        Damaged: it broke off.
        TooSlow: the limit of time has passed.
    """
    try:
        yield from machine.walk()
    except (Damaged, TooSlow):
        yield from machine.finish()
        raise


def _more(source: Source) -> bool:
    """Whether another pickle follows."""
    if source.position >= source.size or not source.fill():
        return False
    return is_pickle(source.buffer[source.at : source.at + 64], "")


FORMATS: tuple[Format, ...] = (
    Format("torch", lambda head, _name: head.startswith(b"PK\x03\x04") and b"/data.pkl" in head, pickles_torch.read, seeks=True),
    Format("pickle", is_pickle, read, seeks=True),
)
