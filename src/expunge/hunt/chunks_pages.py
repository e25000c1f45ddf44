"""Pages of prints: named arrays in numpy's own archive, read without pickles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

PAGE = 1 << 20
"""Bytes of prints after which a page is given: pages are sealed one by one, and a seal is held in memory whole."""


def pack(arrays: Mapping[str, Array]) -> bytes:
    """One page of these arrays; equal arrays give equal bytes."""
    page = BytesIO()
    np.savez(page, allow_pickle=False, **arrays)
    return page.getvalue()


def unpack(pages: Iterable[bytes], names: Sequence[str]) -> list[dict[str, Array]]:
    """The named arrays of every page, in order."""
    read = []
    for page in pages:
        with np.load(BytesIO(page), allow_pickle=False) as arrays:
            read.append({name: arrays[name] for name in names})
    return read


def joined(read: Sequence[Mapping[str, Array]], name: str, dtype: npt.DTypeLike) -> Array:
    """One array of all pages' arrays of that name."""
    parts = [page[name] for page in read]
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.zeros(0, dtype)
