"""Machine code for the verdict on each record of a batch. Who is clear costs one look at one bit; all others are looked at closely."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from expunge.gate.compiling import compiled

Bits = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.uint32]
Times = npt.NDArray[np.int64]

NO_TIME = np.iinfo(np.int64).min
"""In place of a time of capture that is not known."""

ADMITTED, UNKNOWN, ERASED, HIDDEN, HELD, NO_CONSENT, TEMPLATE, EXPIRED = range(8)
"""What the codes in ``judge``'s answer mean; ``tally.Reason`` gives them words."""


@compiled
def _bit(bits: Bits, number: np.uint32) -> bool:
    return bool((bits[number >> np.uint32(3)] >> (number & np.uint32(7))) & np.uint8(1))


@compiled
def _stoned(
    number: np.uint32,
    captured: np.int64,
    item: np.uint64,
    whose: Numbers,
    covers: Bits,
    before: Times,
    items: npt.NDArray[np.uint64],
) -> bool:
    """Whether a tombstone of this subject speaks of the record. What is not known of the record counts against it."""
    place = np.searchsorted(whose, number)
    while place < whose.size and whose[place] == number:
        mine = items[place] == 0 or item == 0 or items[place] == item
        if covers[place] and mine and (captured == NO_TIME or captured < before[place]):
            return True
        place += 1
    return False


@compiled
def judge(
    numbers: Numbers,
    captured: Times,
    row_items: npt.NDArray[np.uint64],
    ends: np.int64,
    limit: int,
    clear: Bits,
    known: Bits,
    stoned: Bits,
    hidden: Bits,
    held: Bits,
    agreed: Bits,
    agreed_template: Bits,
    whose: Numbers,
    covers: Bits,
    before: Times,
    items: npt.NDArray[np.uint64],
    codes: Bits,
    counts: Times,
) -> None:
    """Write a code per record, and count them.

    ``captured`` (µs since 1970, UTC) and ``row_items`` are empty where the records have none; ``ends`` is the time before which a record is
    past its term (``NO_TIME``: nothing is). ``limit`` is one more than the highest number of the epoch.
    """
    for row in range(numbers.size):
        number = numbers[row]
        time = captured[row] if captured.size else np.int64(NO_TIME)
        code = ADMITTED
        if number >= limit or not _bit(clear, number):
            item = row_items[row] if row_items.size else np.uint64(0)
            if number >= limit or not _bit(known, number):
                code = UNKNOWN
            elif _bit(stoned, number) and _stoned(number, time, item, whose, covers, before, items):
                code = ERASED
            elif _bit(held, number):
                code = HELD
            elif _bit(hidden, number):
                code = HIDDEN
            elif not _bit(agreed, number):
                code = NO_CONSENT
            elif not _bit(agreed_template, number):
                code = TEMPLATE
        if code == ADMITTED and ends != NO_TIME and time < ends:
            code = EXPIRED
        codes[row] = code
        counts[code] += 1
