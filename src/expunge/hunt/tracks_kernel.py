"""Machine code for tracks: nearest fixes, and the forms of tracks that numpy can't read by itself."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from expunge.hunt.chunks_compile import compiled

DEGREE = 111_195.0
"""Metres of a degree of latitude on a sphere of 6,371,009 m; at most half a per cent off, which distances of 100 m can bear."""

FAR = 1e9

LEAST, MOST, BACKSLASH, GOES_ON = 63, 126, 92, 32
"""An encoded polyline's characters; five bits each, and one that says that more follow."""

WIDEST = 35
"""Bits of a difference: 360 degrees in units of 1e-6 take 30."""

SHORTEST, LONGEST = 7, 12
"""Characters of a geohash that can be matched; one of six is a kilometre wide."""

PREFIX = 4
"""Characters by which a geohash is known to be in a region of interest: one of four is 39 km wide."""

APART = -2
"""The value of characters that no word consists of; letters that base 32 lacks have -1."""

Degrees = npt.NDArray[np.float64]


@compiled
def _apart(first: float, second: float, shrink: float, other_first: float, other_second: float) -> float:
    """Metres between two points near each other; ``shrink`` is the cosine of their latitude."""
    east = abs(second - other_second)
    east = min(east, 360.0 - east) * shrink
    return math.hypot(first - other_first, east) * DEGREE


@compiled
def nearest(
    latitude: Degrees, longitude: Degrees, fixes: Degrees, fixes_east: Degrees, reach: float
) -> tuple[npt.NDArray[np.int64], Degrees]:
    """For every point the nearest of the fixes, sorted by latitude, and its distance (metres); beyond ``reach`` metres none."""
    which, distance = np.zeros(latitude.size, np.int64), np.full(latitude.size, FAR)
    band = reach / DEGREE
    for point in range(latitude.size):
        shrink = math.cos(math.radians(latitude[point]))
        for fix in range(np.searchsorted(fixes, latitude[point] - band), fixes.size):
            if fixes[fix] > latitude[point] + band:
                break
            apart = _apart(latitude[point], longitude[point], shrink, fixes[fix], fixes_east[fix])
            if apart <= reach and apart < distance[point]:
                which[point], distance[point] = fix, apart
    return which, distance


@compiled
def crowd(fixes: Degrees, fixes_east: Degrees, reach: float) -> npt.NDArray[np.int64]:
    """For every fix (sorted by latitude), how many lie within ``reach`` metres, itself included."""
    count = np.ones(fixes.size, np.int64)
    band = reach / DEGREE
    for fix in range(fixes.size):
        shrink = math.cos(math.radians(fixes[fix]))
        for other in range(fix + 1, fixes.size):
            if fixes[other] > fixes[fix] + band:
                break
            if _apart(fixes[fix], fixes_east[fix], shrink, fixes[other], fixes_east[other]) <= reach:
                count[fix] += 1
                count[other] += 1
    return count


@compiled
def tally(
    fix: npt.NDArray[np.int64], distance: Degrees, spacing: Degrees, beside: Degrees, stays: Degrees, precisions: Degrees
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Degrees]:
    """For every precision: points that come near, different fixes that they hit, and the sum of a stranger's chances to hit.

    Of every fix: metres to its neighbours; the exponents by which a stranger's chance grows with the precision squared, and by which the
    chance that two receivers which agree go on to agree falls.
    """
    near, hits, chances = np.zeros(precisions.size, np.int64), np.zeros(precisions.size, np.int64), np.zeros(precisions.size)
    seen = np.full(spacing.size, -1, np.int64)
    for turn in range(precisions.size):
        square = precisions[turn] ** 2
        for point in range(fix.size):
            mine = fix[point]
            if distance[point] > max(4 * precisions[turn], 15.0, spacing[mine]):
                continue
            near[turn] += 1
            chances[turn] += max(-math.expm1(-beside[mine] * square), math.exp(-stays[mine] / square))
            if distance[point] <= precisions[turn] and seen[mine] != turn:
                seen[mine] = turn
                hits[turn] += 1
    return near, hits, chances


@compiled
def pointed(text: npt.NDArray[np.uint8], block: int) -> npt.NDArray[np.int64]:
    """For every block, how many places in it look like a coordinate: a point with three digits behind it, or six digits in a row."""
    counts = np.zeros((text.size + block - 1) // block, np.int64)
    zero, ten, point = np.uint8(48), np.uint8(10), np.uint8(46)
    for number in range(counts.size):
        first, last = number * block, min((number + 1) * block, text.size - 5)
        if last <= first:
            continue
        # Six views, and not six offsets: only so the loop becomes one of vector instructions (4 GB/s against 0.4).
        one, two, three = text[first:last], text[first + 1 : last + 1], text[first + 2 : last + 2]
        four, five, six = text[first + 3 : last + 3], text[first + 4 : last + 4], text[first + 5 : last + 5]
        count = np.int64(0)
        for at in range(last - first):
            ahead = (np.uint8(two[at] - zero) < ten) & (np.uint8(three[at] - zero) < ten) & (np.uint8(four[at] - zero) < ten)
            more = (np.uint8(one[at] - zero) < ten) & (np.uint8(five[at] - zero) < ten) & (np.uint8(six[at] - zero) < ten)
            count += ahead & ((one[at] == point) | more)
        counts[number] = count
    return counts


@compiled
def meanings(values: Degrees, low: Degrees, high: Degrees) -> npt.NDArray[np.uint32]:
    """For every number, a bit for each of the ranges in which it lies."""
    bits = np.zeros(values.size, np.uint32)
    for number in range(low.size):
        for at in range(values.size):
            bits[at] |= np.uint32((values[at] >= low[number]) & (values[at] <= high[number])) << np.uint32(number)
    return bits


@compiled
def decoded(text: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The pairs of whole numbers that an encoded polyline holds, up to the first that makes no sense.

    Google's *Encoded Polyline Algorithm Format*: differences, zigzag, five bits a character, 63 added. A doubled backslash is one.
    """
    north, east = np.empty(text.size // 2 + 1, np.int64), np.empty(text.size // 2 + 1, np.int64)
    sums = np.zeros(2, np.int64)
    count, shift, value, axis, at = 0, 0, np.int64(0), 0, 0
    while at < text.size:
        five = np.int64(text[at]) - LEAST
        if text[at] == BACKSLASH and at + 1 < text.size and text[at + 1] == BACKSLASH:
            at += 1
        at += 1
        value |= (five & (GOES_ON - 1)) << shift
        shift += 5
        if five >= GOES_ON:
            if shift > WIDEST:
                break
            continue
        sums[axis] += ~(value >> 1) if value & 1 else value >> 1
        shift, value = 0, np.int64(0)
        if axis == 1:
            north[count], east[count] = sums[0], sums[1]
            count += 1
        axis = 1 - axis
    return north[:count], east[:count]


@compiled
def polylines(text: npt.NDArray[np.uint8], least: int, box: Degrees) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and ends of runs of at least ``least`` characters of encoded polylines, whose first place lies in the box.

    ``box`` is south, north, west and east in degrees; places have five or six decimals.
    """
    most = text.size // least + 1
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    count, at, done = 0, least - 1, 0
    while at < text.size:
        if not LEAST <= text[at] <= MOST:
            at += least
            continue
        first, last = at, at + 1
        while first > done and LEAST <= text[first - 1] <= MOST:
            first -= 1
        while last < text.size and LEAST <= text[last] <= MOST:
            last += 1
        if last - first >= least and _begins(text[first : first + least], box):
            starts[count], ends[count] = first, last
            count += 1
        done = last
        at = last + least
    return starts[:count], ends[:count]


@compiled
def _begins(text: npt.NDArray[np.uint8], box: Degrees) -> bool:
    north, east = decoded(text)
    for units in (1e5, 1e6):
        if north.size and box[0] <= north[0] / units <= box[1] and box[2] <= east[0] / units <= box[3]:
            return True
    return False


@compiled
def doubles(content: npt.NDArray[np.uint8], tops: npt.NDArray[np.uint8], most: int) -> npt.NDArray[np.int64]:
    """Where pairs of little-endian doubles begin, 16 or 24 bytes apart, that may be coordinates.

    ``tops`` says of a double's two uppermost bytes whether it may be one coordinate (1), the other (2), or both (3). Every 128 bytes
    are looked at in 16 places, so that ten pairs in a row are never passed over.
    """
    found = np.empty(most, np.int64)
    count, done = 0, 0
    for block in range(0, content.size - 48, 128):
        for lane in range(block, block + 16):
            if lane < done or lane + 48 > content.size or not _pair(content, lane, tops):
                continue
            step = 16 if _pair(content, lane + 16, tops) else 24
            if not _pair(content, lane + step, tops):
                continue
            first = lane
            while first - step >= done and _pair(content, first - step, tops):
                first -= step
            while first + 16 <= content.size and _pair(content, first, tops) and count < most:
                found[count] = first
                count += 1
                first += step
            done = first
    return found[:count]


@compiled
def _pair(content: npt.NDArray[np.uint8], at: int, tops: npt.NDArray[np.uint8]) -> bool:
    if at + 16 > content.size:
        return False
    first = tops[(np.int64(content[at + 7]) << 8) | np.int64(content[at + 6])]
    second = tops[(np.int64(content[at + 15]) << 8) | np.int64(content[at + 14])]
    return bool(((first & 1) and (second & 2)) or ((first & 2) and (second & 1)))


@compiled
def mixed(text: npt.NDArray[np.uint8], block: int) -> npt.NDArray[np.int64]:
    """For every block, how often a digit stands beside a letter: in words never, in geohashes nearly always."""
    counts = np.zeros((text.size + block - 1) // block, np.int64)
    zero, ten, a, letters = np.uint8(48), np.uint8(10), np.uint8(97), np.uint8(26)
    for number in range(counts.size):
        first, last = number * block, min((number + 1) * block, text.size - 1)
        if last <= first:
            continue
        one, two = text[first:last], text[first + 1 : last + 1]
        count = np.int64(0)
        for at in range(last - first):
            before, after = np.uint8(one[at] - zero) < ten, np.uint8(two[at] - zero) < ten
            count += (before & (np.uint8((two[at] | 32) - a) < letters)) | (after & (np.uint8((one[at] | 32) - a) < letters))
        counts[number] = count
    return counts


@compiled
def tokens(
    text: npt.NDArray[np.uint8], values: npt.NDArray[np.int8], known: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and ends of words of base 32 that are as long as a geohash and begin as one whose first four characters are known."""
    starts, ends = np.empty(text.size // SHORTEST + 1, np.int64), np.empty(text.size // SHORTEST + 1, np.int64)
    count, at = 0, 0
    while at < text.size:
        if values[text[at]] == APART:
            at += 1
            continue
        start, good, cell = at, True, np.int64(0)
        while at < text.size and values[text[at]] != APART:
            value = np.int64(values[text[at]])
            good = bool(good and value >= 0)
            if at - start < PREFIX:
                cell = (cell << 5) | (value & 31)
            at += 1
        if good and SHORTEST <= at - start <= LONGEST and known[cell]:
            starts[count], ends[count] = start, at
            count += 1
    return starts[:count], ends[:count]


@compiled
def geohashes(
    buffer: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], values: npt.NDArray[np.int8]
) -> tuple[Degrees, Degrees, npt.NDArray[np.int8]]:
    """Centres and lengths of the geohashes (Niemeyer, 2008) that cells hold; length 0 where a cell is none. ``values`` are base 32's."""
    rows = starts.size
    north, east, length = np.zeros(rows), np.zeros(rows), np.zeros(rows, np.int8)
    for row in range(rows):
        size = ends[row] - starts[row]
        if size < SHORTEST or size > LONGEST:
            continue
        low, high, west, right = -90.0, 90.0, -180.0, 180.0
        even, good = True, True
        for at in range(starts[row], ends[row]):
            value = values[buffer[at]]
            if value < 0:
                good = False
                break
            for bit in (16, 8, 4, 2, 1):
                if even:
                    middle = (west + right) / 2
                    west, right = (middle, right) if value & bit else (west, middle)
                else:
                    middle = (low + high) / 2
                    low, high = (middle, high) if value & bit else (low, middle)
                even = not even
        if good:
            north[row], east[row], length[row] = (low + high) / 2, (west + right) / 2, size
    return north, east, length
