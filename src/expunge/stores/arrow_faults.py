"""Arrow's and the operating system's faults in Expunge's words; their own texts may quote a value, and stay behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from expunge.errors import Drift, Refused, Unavailable
from expunge.stores import disk


@contextmanager
def faults(where: str, *, remote: bool = False) -> Iterator[None]:
    """Translate. ``remote``: the files come over a network, whose faults have no number either.

    Raises:
        Drift: a file is not Parquet, or damaged.
        Refused: a file holds what this library can't write again.
        Conflict, Full, Unavailable: as ``disk.faults``.
    """
    try:
        yield
    except pa.ArrowNotImplementedError:
        raise Refused("a file holds a type that can't be read or written here", where=where) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowKeyError, UnicodeDecodeError):
        raise Drift("a file is not the Parquet it should be", where=where) from None
    except OSError as fault:
        if fault.errno is None:  # Arrow's own, of a damaged file; the system's have a number
            if remote:
                raise Unavailable("the storage does not answer as it should", where=where) from None
            raise Drift("a file is not the Parquet it should be", where=where) from None
        with disk.faults(where):
            raise
