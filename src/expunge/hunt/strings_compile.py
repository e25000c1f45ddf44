"""Numba, and the few machine instructions it has no name for. Only kernels import this file: it needs ``expunge[hunt]``.

A kernel is compiled at its first call in a machine's life (all of ``strings``: some 40 s of a core), later read from a cache (0.5 s).
Numba knows that a kernel's own file has changed, but not one that it takes functions from; so the cache's folder is named by a digest
of all of them. It lies beside the source or, failing that, among the user's caches; where neither can, each process compiles.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # has no types
from numba import types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

LANES = 64
"""Bytes that are classified at once; LLVM splits them into what the processor has (one AVX-512, two AVX2, four SSE or NEON registers)."""

_VECTOR = ir.VectorType(ir.IntType(8), LANES)
_LONG = ir.IntType(64)
_EXACT = ir.Constant(ir.IntType(1), 0)  # "zero is not poison": count of a zero word is 64


def compiled(function: Kernel) -> Kernel:
    """``function`` as machine code, without the interpreter's lock. It may not make arrays.

    Counting references is switched off: a kernel gets some sixty arrays, and counting them at each call took ten times as long as the work.
    """
    return _compile(function, forceinline=False)


def inlined(function: Kernel) -> Kernel:
    """As ``strings_compile``, put into its callers: passing sixty arrays to a call takes 100 ns."""
    return _compile(function, forceinline=True)


def _cache_folder() -> str | None:
    """A folder that this user can write and nobody else can have written: what lies in it is executed."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    kernels = [held for source in sources if b"hunt.strings_compile" in (held := source.read_bytes())]
    digest = hashlib.sha256(b"\0".join([numba.__version__.encode(), Path(__file__).read_bytes(), *kernels])).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for parent in (Path(__file__).parent / "__pycache__", home / "expunge"):
        folder = parent / f"kernels-{digest}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return str(folder)
    return None


_FOLDER = _cache_folder()


def _compile(function: Kernel, *, forceinline: bool) -> Kernel:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _FOLDER or ""
    try:
        made = numba.njit(nogil=True, cache=_FOLDER is not None, boundscheck=False, forceinline=forceinline, _nrt=False)(function)
    finally:
        numba.config.CACHE_DIR = before
    return cast("Kernel", made)


def _splat(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value & 255] * LANES)


def _within(builder: Any, lanes: Any, first: int, last: int) -> Any:
    return builder.icmp_unsigned("<", builder.sub(lanes, _splat(first)), _splat(last - first + 1))


def _any(builder: Any, parts: list[Any]) -> Any:
    whole = parts[0]
    for part in parts[1:]:
        whole = builder.or_(whole, part)
    return whole


def _equal(builder: Any, lanes: Any, characters: bytes) -> Any:
    return _any(builder, [builder.icmp_unsigned("==", lanes, _splat(one)) for one in characters])


def _lower(builder: Any, lanes: Any) -> Any:
    return builder.or_(lanes, _splat(0x20))


def _is_word(builder: Any, lanes: Any) -> Any:
    letters = _within(builder, _lower(builder, lanes), ord("a"), ord("z"))
    return _any(builder, [letters, _within(builder, lanes, ord("0"), ord("9")), builder.icmp_signed("<", lanes, _splat(0))])


def _is_hex(builder: Any, lanes: Any) -> Any:
    return builder.or_(_within(builder, _lower(builder, lanes), ord("a"), ord("f")), _within(builder, lanes, ord("0"), ord("9")))


def _is_base64(builder: Any, lanes: Any) -> Any:
    letters = _within(builder, _lower(builder, lanes), ord("a"), ord("z"))
    return _any(builder, [letters, _within(builder, lanes, ord("0"), ord("9")), _equal(builder, lanes, b"+/-_")])


def _is_upper(builder: Any, lanes: Any) -> Any:
    return _within(builder, lanes, ord("A"), ord("Z"))


def _is_escape(builder: Any, lanes: Any) -> Any:
    return _equal(builder, lanes, b"%\\&=<")


def _is_binary(builder: Any, lanes: Any) -> Any:
    control = builder.and_(
        builder.icmp_unsigned("<", lanes, _splat(0x20)), builder.not_(_within(builder, lanes, 9, 13))
    )  # tab to carriage return are text
    return builder.or_(control, builder.icmp_signed("<", lanes, _splat(0)))


def _is_zero(builder: Any, lanes: Any) -> Any:
    return _equal(builder, lanes, b"\0")


def _is_beyond(builder: Any, lanes: Any) -> Any:
    return builder.icmp_signed("<", lanes, _splat(0))


def _pointer(context: Any, builder: Any, signature: Any, args: Any, to: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, value=args[0])
    return builder.bitcast(builder.gep(array.data, [args[1]]), to.as_pointer())


def _mask(build: Callable[[Any, Any], Any], name: str) -> Any:
    def mask(_typing: Any, array: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            lanes = builder.load(_pointer(context, builder, signature, args, _VECTOR))
            lanes.align = 1
            return builder.bitcast(build(builder, lanes), _LONG)

        return types.uint64(array, at), generate

    mask.__name__ = mask.__qualname__ = name
    return intrinsic(mask)


words_at = _mask(_is_word, "words_at")
"""``words_at(array, i)``: bit ``k`` says whether byte ``i + k`` is of a word: a letter, a digit, any byte of a longer UTF-8 character."""
hex_at = _mask(_is_hex, "hex_at")
"""The same for hexadecimal digits."""
base64_at = _mask(_is_base64, "base64_at")
"""The same for both alphabets of base64 (RFC 4648), without padding."""
upper_at = _mask(_is_upper, "upper_at")
"""The same for capital letters."""
escapes_at = _mask(_is_escape, "escapes_at")
"""The same for bytes with which an escape begins: per cent, backslash, ampersand, equals, less-than."""
binary_at = _mask(_is_binary, "binary_at")
"""The same for control characters and bytes from 128."""
zeros_at = _mask(_is_zero, "zeros_at")
"""The same for zero bytes."""


beyond_at = _mask(_is_beyond, "beyond_at")
"""The same for bytes from 128."""


def _is_mark(builder: Any, lead: Any, second: Any) -> Any:
    """Whether ``lead`` and ``second`` begin a punctuation mark of three bytes: general (U+2000 to 207F) or CJK (U+3000 to 303F)."""
    general = builder.and_(_equal(builder, lead, b"\xe2"), _equal(builder, second, b"\x80\x81"))
    return builder.or_(general, builder.and_(_equal(builder, lead, b"\xe3"), _equal(builder, second, b"\x80")))


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # Numba has no types
def load8(_typing: Any, array: Any, at: Any) -> Any:
    """Eight bytes from ``array[at]`` as a little-endian integer, at any alignment."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(_pointer(context, builder, signature, args, _LONG))
        value.align = 1
        return value

    return types.uint64(array, at), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # Numba has no types
def copy_lanes(_typing: Any, source: Any, at: Any, out: Any, to: Any) -> Any:
    """Copy ``LANES`` bytes from ``source[at]`` to ``out[to]``, at any alignment; both must have so many."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def pointer(place: int) -> Any:
            held = context.make_array(signature.args[place])(context, builder, value=args[place])
            return builder.bitcast(builder.gep(held.data, [args[place + 1]]), _VECTOR.as_pointer())

        lanes = builder.load(pointer(0))
        lanes.align = 1
        builder.store(lanes, pointer(2)).align = 1
        return context.get_dummy_value()

    return types.none(source, at, out, to), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # Numba has no types
def fetch(_typing: Any, array: Any, at: Any) -> Any:
    """Ask memory for ``array[at]`` and don't wait, so that many questions are under way at once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, value=args[0])
        place = builder.bitcast(builder.gep(held.data, [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        wanted = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], wanted)
        builder.call(prefetch, [place, number(0), number(3), number(1)])  # to read, into all caches, data
        return context.get_dummy_value()

    return types.none(array, at), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # Numba has no types
def lowest(_typing: Any, _bits: Any) -> Any:
    """The number of zero bits below the lowest set bit; 64 if there is none."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], _EXACT)

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # Numba has no types
def leading(_typing: Any, _bits: Any) -> Any:
    """The number of zero bits above the highest set bit; 64 if there is none."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], _EXACT)

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # Numba has no types
def count_bits(_typing: Any, _bits: Any) -> Any:
    """The number of set bits."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@inlined
def signed(value: Any) -> int:
    """A number as a signed integer: Numba makes a float of what a signed and an unsigned one give together."""
    return np.int64(value)  # type: ignore[return-value]  # an int to Numba


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # Numba has no types
def punctuation_at(_typing: Any, array: Any, at: Any) -> Any:
    """Bit ``k`` says whether byte ``at + k`` is of a punctuation mark beyond ASCII (U+0080 to 00BF, 2000 to 207F, 3000 to 303F)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        held = []
        for step in (-2, -1, 0, 1):
            place = (args[0], builder.add(args[1], ir.Constant(_LONG, step)))
            lanes = builder.load(_pointer(context, builder, signature, place, _VECTOR))
            lanes.align = 1
            held.append(lanes)
        pairs = builder.or_(_equal(builder, held[2], b"\xc2"), _equal(builder, held[1], b"\xc2"))
        marks = [_is_mark(builder, held[place], held[place + 1]) for place in range(3)]
        return builder.bitcast(_any(builder, [pairs, *marks]), _LONG)

    return types.uint64(array, at), generate
