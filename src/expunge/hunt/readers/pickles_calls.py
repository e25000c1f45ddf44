"""What a pickle would call, recognised by name and structure: arrays, times, tensors, frames. Nothing is called.

The names are those that pickles of NumPy (1 and 2), pandas, pyarrow, PyTorch, joblib and the standard library hold; what they mean was
read in these libraries' sources. Anything else is a name and its arguments, and the arguments are given as content.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from uuid import UUID

import numpy as np

from expunge.hunt.readers import pickles_frames as frames
from expunge.hunt.readers.arrays_tables import Shaped
from expunge.hunt.readers.pickles_machine import Machine
from expunge.hunt.readers.pickles_nodes import SMALL, Array, Bag, Call, Global, Lump, Map, Node, dtype_of, raw, shape_of, text

_TENSORS = 1_000_000
_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"


def called(machine: Machine, made: Node, args: list[Node]) -> Node:
    """What ``made(*args)`` would be; arguments that nobody recognised are given as content."""
    name = made.name if isinstance(made, Global | Call) else ""
    known = _KNOWN.get(name)
    node = known(machine, args) if known is not None else None
    if node is not None:
        return node
    structured = name.startswith(("numpy.", "pandas.", "joblib.", "torch.", "pyarrow.", "builtins.slice"))
    machine.items(machine.name(), [Bag(list(args))], clear=not structured)
    return Call(name, list(args) if structured else [])


def built(machine: Machine, owner: Node, state: Node) -> Node:
    """What ``owner`` is once it has its state."""
    if isinstance(owner, Call):
        if owner.name == "numpy.dtype":
            owner.state = state
            return owner
        if owner.name.endswith("._reconstruct") and _array_state(machine, owner, state):
            return owner
        if owner.name == _WRAPPER and isinstance(state, Map):
            _inlined(machine, owner, state)
            return owner
        if owner.name.startswith("pandas."):
            owner.state = state
            machine.items(machine.name(), (state,), clear=False)
            frames.managed(machine, owner)
            return owner
        if (
            owner.name == "uuid.UUID"
            and isinstance(state, Map)
            and isinstance(number := state.pairs.get("int"), int)
            and 0 <= number < 1 << 128
        ):
            machine.leaf(machine.name(), str(UUID(int=number)))
            return owner
    machine.items(machine.name(), (state,))
    return owner


def _array_state(machine: Machine, owner: Call, state: Node) -> bool:
    """(version, shape, type, first dimension fastest, elements): NumPy's ``ndarray.__reduce__``."""
    parts = state.items if isinstance(state, Bag) else []
    if len(parts) < 4:  # noqa: PLR2004 # very old arrays have no version
        return False
    shape, dtype, fortran, held = shape_of(parts[-4]), dtype_of(parts[-3]), bool(parts[-2]), parts[-1]
    return shape is not None and dtype is not None and _made(machine, owner, Shaped(dtype, shape, fortran), held)


def _made(machine: Machine, owner: Call, shaped: Shaped, held: Node) -> bool:
    """Take the elements as an array, if they are any."""
    source = held.items if isinstance(held, Bag) and shaped.dtype.hasobject else raw(held)
    if source is None:
        return False
    if isinstance(held, Bag):
        held.told = True
    owner.array = Array(shaped, source, machine.name())
    machine.hold(owner.array)
    return True


def _from_buffer(machine: Machine, args: list[Node]) -> Node:
    if len(args) < 4:  # noqa: PLR2004 # buffer, type, shape, order
        return None
    dtype, shape = dtype_of(args[1]), shape_of(args[2])
    made = Call("numpy.core.numeric._frombuffer")
    if dtype is None or shape is None:
        return None
    shaped = Shaped(dtype, shape, text(args[3]) == "F")
    return made if _made(machine, made, shaped, args[0]) else None


def _inlined(machine: Machine, owner: Call, state: Map) -> None:
    """Joblib writes an array's bytes behind the object that describes it, after some bytes that align them."""
    dtype, shape = dtype_of(state.pairs.get("dtype")), shape_of(state.pairs.get("shape"))
    if dtype is None or shape is None:
        return
    if dtype.hasobject:
        machine.pickle_inside()
        return
    if isinstance(state.pairs.get("numpy_array_alignment_bytes"), int):
        machine.source.lump(machine.source.number(1))
    shaped = Shaped(dtype, shape, text(state.pairs.get("order")) == "F")
    if not shaped.sane:
        return
    owner.array = Array(shaped, machine.source.lump(shaped.nbytes), machine.name())
    machine.hold(owner.array)


def _type(_machine: Machine, args: list[Node]) -> Node:
    """An element type; its arguments are no content if it is one."""
    made = Call("numpy.dtype", list(args))
    return made if args and text(args[0]) is not None and len(args) <= 3 and len(text(args[0]) or "") <= SMALL else None  # noqa: PLR2004 # code, align, copy


def _blank(_machine: Machine, args: list[Node]) -> Node:
    """An array of a class, to be filled by its state."""
    plain = len(args) == 3 and isinstance(args[0], Global) and isinstance(args[1], Bag) and len(args[1].items) == 1  # noqa: PLR2004 # class, shape, type
    return Call("numpy.core.multiarray._reconstruct") if plain else None


def _scalar(_machine: Machine, args: list[Node]) -> Node:
    """A single number or text of NumPy's."""
    dtype, held = dtype_of(args[0]) if args else None, raw(args[1]) if len(args) > 1 else None
    if dtype is None or not isinstance(held, bytes) or dtype.hasobject or len(held) != dtype.itemsize:
        return None
    value = np.frombuffer(held, dtype=dtype)[0]
    plain = value.item()
    return plain if isinstance(plain, str | int | float | bytes) else str(value)


def _bytes_of_text(_machine: Machine, args: list[Node]) -> Node:
    """Protocols 0 to 2 have no bytes: they write a text of Latin-1 to be encoded."""
    if isinstance(args[0], Lump):
        return args[0].latin()
    return args[0].encode("latin-1", "replace") if isinstance(args[0], str) else None


def _same(_machine: Machine, args: list[Node]) -> Node:
    """Something whose content is its first argument's."""
    return args[0] if args and isinstance(args[0], str | int | float | bytes | Lump) else None


def _time(_machine: Machine, args: list[Node]) -> Node:
    """A date, a time of day or both, in ISO 8601; 4, 6 or 10 bytes as ``datetime`` writes them. Its zone is not looked at."""
    held = raw(args[0]) if args else None
    if isinstance(args[0] if args else None, str):  # Python 2 wrote the bytes as a text of Latin-1
        held = str(args[0]).encode("latin-1", "replace")
    if not isinstance(held, bytes) or len(held) not in {4, 6, 10}:
        return None
    day = f"{int.from_bytes(held[:2], 'big'):04}-{held[2] & 127:02}-{held[3]:02}" if len(held) != 6 else ""  # noqa: PLR2004 # a time
    if len(held) == 4:  # noqa: PLR2004 # a date
        return day
    hour, minute, second, high, middle, low = struct.unpack("6B", held[-6:])
    clock = f"{hour & 127:02}:{minute:02}:{second:02}.{high << 16 | middle << 8 | low:06}".removesuffix(".000000")
    return f"{day}T{clock}" if day else clock


def _moment(_machine: Machine, args: list[Node]) -> Node:
    """A pandas timestamp: nanoseconds (or another unit) since 1970."""
    return args[0] if args and isinstance(args[0], int) else None


def _object(machine: Machine, args: list[Node]) -> Node:
    """How protocols 0 and 1 write an object: its class, its base, and the base's content."""
    machine.items(machine.name(), args[2:])
    return Call(args[0].name) if args and isinstance(args[0], Global) else None


def _mapping(machine: Machine, args: list[Node]) -> Node:
    """A kind of dictionary: filled by what follows."""
    machine.items(machine.name(), [Bag(list(args))])
    return Map(kept=machine.looked_into())


def _tensor(machine: Machine, args: list[Node]) -> Node:
    made = Call("torch.tensor", list(args), state=machine.name())
    if len(args) > 3 and len(machine.tensors) < _TENSORS:  # noqa: PLR2004 # storage, offset, size, stride
        machine.tensors.append(made)
        return made
    return None


def _frame(machine: Machine, args: list[Node]) -> Node:
    made = Call("pandas.core.internals.managers.BlockManager", list(args))
    machine.items("value", [Bag(list(args))], clear=False)
    frames.managed(machine, made)
    return made


def _arrow(machine: Machine, args: list[Node]) -> Node:
    parts = args[0].items if len(args) == 1 and isinstance(args[0], Bag) else args
    given = frames.arrow(machine, parts)
    if given is None:
        return None
    machine.out.append(given)
    return Call("pyarrow.array")


_KNOWN: dict[str, Callable[[Machine, list[Node]], Node]] = {
    "copyreg._reconstructor": _object,
    "_codecs.encode": _bytes_of_text,
    "builtins.bytearray": _same,
    "builtins.bytes": _same,
    "decimal.Decimal": _same,
    "fractions.Fraction": _same,
    "pathlib.PosixPath": _same,
    "pyarrow.lib.py_buffer": _same,
    "pyarrow.lib._restore_array": _arrow,
    "datetime.datetime": _time,
    "datetime.date": _time,
    "datetime.time": _time,
    "pandas._libs.tslibs.timestamps._unpickle_timestamp": _moment,
    "pandas.core.internals.managers.BlockManager": _frame,
    "pandas.core.internals.BlockManager": _frame,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.dtype": _type,
    "numpy.core.multiarray._reconstruct": _blank,
    "numpy.ma.core._mareconstruct": _blank,
    "numpy.core.multiarray.scalar": _scalar,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _mapping,
    "collections.Counter": _mapping,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor,
}
