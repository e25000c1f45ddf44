"""What each opcode of a pickle does to the machine's stack. Opcodes by their numbers, as in CPython's ``Lib/pickle.py``."""

from __future__ import annotations

import re
import struct

from expunge.hunt.readers import pickles_calls as calls
from expunge.hunt.readers.arrays import Damaged
from expunge.hunt.readers.pickles_machine import Act, Machine
from expunge.hunt.readers.pickles_nodes import LONG, SMALL, SPENT, Bag, Call, Global, Lump, Map, Node, Persistent, text

_DIGITS = 4_300  # of a whole number written as text; Python refuses to read longer ones, because that takes quadratic time
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


def _signed(width: int) -> Act:
    def act(machine: Machine) -> None:
        machine.stack.append(int.from_bytes(machine.source.take(width), "little", signed=True))

    return act


def _unsigned(width: int) -> Act:
    def act(machine: Machine) -> None:
        machine.stack.append(int.from_bytes(machine.source.take(width), "little"))

    return act


def _constant(value: Node) -> Act:
    return lambda machine: machine.stack.append(value)


def _long(width: int) -> Act:
    def act(machine: Machine) -> None:
        size = machine.source.number(width)
        held = int.from_bytes(machine.source.take(size), "little", signed=True) if size <= SMALL else machine.source.lump(size)
        machine.stack.append(held)

    return act


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


def _unicode(width: int) -> Act:
    def act(machine: Machine) -> None:
        size = machine.source.number(width)
        machine.stack.append(_decoded(machine.source.take(size)) if size <= LONG else machine.source.lump(size))

    return act


def _bytes(width: int, *, texts: bool = False) -> Act:
    """``texts``: Python 2's string, which is bytes or a text; it is taken for a text if it can be one."""

    def act(machine: Machine) -> None:
        size = machine.source.number(width)
        if size > (LONG if texts else SMALL):
            machine.stack.append(machine.source.lump(size))
            return
        machine.stack.append(_either(machine.source.take(size)) if texts else machine.source.take(size))

    return act


def _either(raw: bytes) -> Node:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _line_text(machine: Machine) -> None:
    line = machine.source.line()
    machine.stack.append(line if isinstance(line, Lump) else line.decode("raw_unicode_escape", "replace"))


def _line_string(machine: Machine) -> None:
    line = machine.source.line()
    if isinstance(line, Lump):
        machine.stack.append(line)
        return
    inner = line.strip()[1:-1]
    machine.stack.append(_either(_ESCAPE.sub(_unescaped, inner)))


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes.fromhex(found[1].decode())
    return _PLAIN.get(found[2], found[2])


def _line_number(machine: Machine) -> None:
    line = machine.source.line()
    if isinstance(line, Lump):
        machine.stack.append(line)
        return
    held = line.strip().removesuffix(b"L")
    if held in {b"00", b"01"}:
        machine.stack.append(held == b"01")
        return
    try:
        machine.stack.append(int(held) if len(held) < _DIGITS else held)
    except ValueError:
        raise Damaged("a number without digits") from None


def _line_float(machine: Machine) -> None:
    try:
        machine.stack.append(float(machine.source.short()))
    except ValueError:
        raise Damaged("a number without digits") from None


def _float(machine: Machine) -> None:
    machine.stack.append(struct.unpack(">d", machine.source.take(8))[0])


def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.items("value", (machine.stack.pop(),))
    else:
        machine.stack = machine.marks.pop()


def _pop_mark(machine: Machine) -> None:
    machine.items("value", machine.since_mark())


def _empty_list(machine: Machine) -> None:
    machine.stack.append(Bag(kept=machine.looked_into()))


def _empty_dict(machine: Machine) -> None:
    machine.stack.append(Map(kept=machine.looked_into()))


def _list(machine: Machine) -> None:
    items = machine.since_mark()
    _empty_list(machine)
    machine.extend(items)


def _dict(machine: Machine) -> None:
    items = machine.since_mark()
    _empty_dict(machine)
    _set(machine, items)


def _tuple(machine: Machine) -> None:
    items = machine.since_mark()
    machine.stack.append(machine.bag(items))


def _short_tuple(size: int) -> Act:
    def act(machine: Machine) -> None:
        items = machine.stack[-size:]
        if len(items) < size:
            raise Damaged("a stack that does not add up")
        del machine.stack[-size:]
        machine.stack.append(Bag(items))

    return act


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    machine.extend([item])


def _appends(machine: Machine) -> None:
    machine.extend(machine.since_mark())


def _set_item(machine: Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.field(machine.stack[-1], key, value)


def _set_items(machine: Machine) -> None:
    _set(machine, machine.since_mark())


def _set(machine: Machine, pairs: list[Node]) -> None:
    if len(pairs) % 2:
        raise Damaged("a key without a value")
    owner = machine.stack[-1]
    machine.fields(owner, pairs)


def _frozen(machine: Machine) -> None:
    items = machine.since_mark()
    machine.stack.append(machine.bag(items))


def _global(machine: Machine) -> None:
    module = machine.source.short()
    machine.stack.append(machine.known(module, machine.source.short()))


def _stack_global(machine: Machine) -> None:
    name, module = text(machine.stack.pop()), text(machine.stack.pop())
    machine.stack.append(machine.known(module or "?", name or "?"))


def _reduce(machine: Machine) -> None:
    args, made = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(calls.called(machine, made, args.items if isinstance(args, Bag) else [args]))


def _new(machine: Machine) -> None:
    args, kind = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(calls.called(machine, kind, args.items if isinstance(args, Bag) else [args]))


def _new_with_names(machine: Machine) -> None:
    machine.stack.pop()  # a dictionary, which was told when it was filled
    _new(machine)


def _instance(machine: Machine) -> None:
    module = machine.source.short()
    made = machine.known(module, machine.source.short())
    args = machine.since_mark()
    machine.stack.append(calls.called(machine, made, args))


def _object(machine: Machine) -> None:
    args = machine.since_mark()
    machine.stack.append(calls.called(machine, args[0], args[1:]))


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    machine.stack[-1] = calls.built(machine, machine.stack[-1], state)


def _extension(width: int) -> Act:
    def act(machine: Machine) -> None:
        machine.source.take(width)
        machine.stack.append(Global("extension"))

    return act


def _line_persistent(machine: Machine) -> None:
    key = machine.source.short()
    machine.leaf("value", key)
    machine.stack.append(Persistent(key))


def _persistent(machine: Machine) -> None:
    key = machine.stack.pop()
    if not (isinstance(key, Bag) and key.items and key.items[0] == "storage"):  # a tensor's storage is looked for when the pickle has ended
        machine.items("value", (key,))
    machine.stack.append(Persistent(key))


def _line_get(machine: Machine) -> None:
    machine.get(_index(machine.source.short()))


def _line_put(machine: Machine) -> None:
    machine.put(_index(machine.source.short()))


def _index(line: str) -> int:
    if not line.isdecimal() or len(line) > SMALL:
        raise Damaged("a place in the memo that is no number")
    return int(line)


def _get(width: int) -> Act:
    return lambda machine: machine.get(machine.source.number(width))


def _put(width: int) -> Act:
    return lambda machine: machine.put(machine.source.number(width))


def _memoize(machine: Machine) -> None:
    machine.put(machine.memoized)


def _skip(width: int) -> Act:
    def act(machine: Machine) -> None:
        machine.source.take(width)

    return act


def _stop(machine: Machine) -> None:
    machine.ended = True


def _buffer(machine: Machine) -> None:
    machine.outside()
    machine.stack.append(SPENT)


def _duplicate(machine: Machine) -> None:
    top = machine.stack[-1]
    machine.stack.append(top if isinstance(top, Call | Global | Bag | Map) else SPENT)


_BY_LETTER: dict[bytes, Act] = {
    b"(": _mark, b".": _stop, b"0": _pop, b"1": _pop_mark, b"2": _duplicate,
    b"F": _line_float, b"I": _line_number, b"L": _line_number, b"G": _float,
    b"J": _signed(4), b"K": _unsigned(1), b"M": _unsigned(2), b"N": _constant(None),
    b"P": _line_persistent, b"Q": _persistent, b"R": _reduce, b"S": _line_string, b"V": _line_text,
    b"T": _bytes(4, texts=True), b"U": _bytes(1, texts=True), b"X": _unicode(4),
    b"a": _append, b"e": _appends, b"b": _build, b"c": _global, b"d": _dict, b"}": _empty_dict, b"s": _set_item, b"u": _set_items,
    b"g": _line_get, b"h": _get(1), b"j": _get(4), b"p": _line_put, b"q": _put(1), b"r": _put(4),
    b"i": _instance, b"o": _object, b"l": _list, b"]": _empty_list, b"t": _tuple, b")": lambda machine: machine.stack.append(Bag()),
    b"B": _bytes(4), b"C": _bytes(1),
    b"\x80": _skip(1), b"\x81": _new, b"\x82": _extension(1), b"\x83": _extension(2), b"\x84": _extension(4),
    b"\x85": _short_tuple(1), b"\x86": _short_tuple(2), b"\x87": _short_tuple(3), b"\x88": _constant(True), b"\x89": _constant(False),  # noqa: FBT003
    b"\x8a": _long(1), b"\x8b": _long(4), b"\x8c": _unicode(1), b"\x8d": _unicode(8), b"\x8e": _bytes(8), b"\x8f": _empty_list,
    b"\x90": _appends, b"\x91": _frozen, b"\x92": _new_with_names, b"\x93": _stack_global, b"\x94": _memoize, b"\x95": _skip(8),
    b"\x96": _bytes(8), b"\x97": _buffer, b"\x98": lambda _machine: None,
}  # fmt: skip

ACTS: list[Act | None] = [_BY_LETTER.get(bytes([code])) for code in range(256)]
"""By opcode; ``None`` is none."""
