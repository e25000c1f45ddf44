"""Compiles kernels: the one file of the gate that names numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code, kept beside its source or in the user's cache, so that only the first process compiles.

    Where neither place can be written (a read-only image without a home), each process compiles for itself.
    """
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba's "no locator available": nowhere to keep it
        return cast("Callable[P, R]", numba.njit(nogil=True)(function))
