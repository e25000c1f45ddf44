"""Machine code that finds where files may begin in the midst of unknown bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled

Bytes = npt.NDArray[np.uint8]


@compiled
def candidates(data: Bytes, start: int, end: int, pairs: Bytes, found: npt.NDArray[np.int64]) -> int:
    """Where, from ``start`` to before ``end``, two bytes stand with which a known file begins; how many (as ``found`` has room for).

    ``pairs`` has a 1 for each such pair, the first byte being the lower half of its index.
    """
    count = 0
    for at in range(start, min(end, data.size - 1)):
        if pairs[data[at] | data[at + 1] << 8] != 0:
            found[count] = at
            count += 1
            if count == found.size:
                break
    return count
