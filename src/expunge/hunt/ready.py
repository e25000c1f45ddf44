"""Compiles the hunt's kernels ahead of the first hunt: ``python -m expunge.hunt.ready``, once on each machine or image.

Numba compiles a kernel when it is first called and keeps it on disk. That takes some 40 s of one core in all; better when a machine is set
up than in the first run. It hunts made-up people in a folder of made-up files that needs every kernel.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from expunge.hunt.families import FAMILIES, Matchers, family
from expunge.hunt.prints import Fix, Role, Trace
from expunge.hunt.reading import Limits
from expunge.hunt.scanning import Source, scan_shard, shards
from expunge.stores.scan_registry import open_scan

_SAID = "nobody ever said this sentence about seven purple walnuts"
_MAIL = "nobody.at.all@example.invalid"
_BODY = zlib.compress(bytes(range(256)) * 400, 0)
_TRACK = [(48.2 + place / 900, 16.3 + math.sin(place / 5) / 90) for place in range(60)]
_VECTOR = [math.sin(place * 1.7) for place in range(64)]


def traces() -> Iterator[Trace]:
    """One of each role."""
    yield Trace(0, Role.KEY, "", "email", _MAIL)
    yield Trace(0, Role.KEY, "", "profile_id", 4711)
    yield Trace(0, Role.TEXT, "a.b.text", "text", _SAID)
    yield Trace(0, Role.BODY, "a.b.body", "body", _BODY)
    yield Trace(0, Role.VECTOR, "a.b.vector", "vector", _VECTOR)
    yield Trace(
        0, Role.TRACK, "a.b", "track", [Fix(latitude, longitude, 60.0 * place) for place, (latitude, longitude) in enumerate(_TRACK)]
    )


def write(folder: Path) -> None:
    """Files that need every kernel."""
    line = json.dumps({"profile_id": 4711, "mail": _MAIL, "said": _SAID, "twice": "\u00e9\u00e8" + _SAID})
    (folder / "log.jsonl").write_text(
        (line + "\n") * 50 + f"user={_MAIL.replace('@', '%40')} {_MAIL.encode().hex()} {b64encode(_BODY).decode()}\n"
    )
    (folder / "lines.csv").write_text("lat,lon,profile_id\n" + "".join(f"{one[0]:.6f},{one[1]:.6f},4711\n" for one in _TRACK))
    (folder / "track.wkt").write_text(
        "LINESTRING(" + ", ".join(f"{longitude:.6f} {latitude:.6f}" for latitude, longitude in _TRACK) + ")\n"
    )
    (folder / "page.html").write_text(f"<p>{_SAID}</p>&#64;" * 20)
    (folder / "wide.txt").write_bytes(_SAID.encode("utf-16-le") * 20)
    (folder / "memory.bin").write_bytes(bytes(range(256)) * 64 + _BODY + np.array(_VECTOR, np.float32).tobytes() * 3)
    np.save(folder / "vectors.npy", np.array([_VECTOR] * 5, np.float32))


def main() -> int:
    """Compile; how many things were recognised is printed, as a sign that it works."""
    prints = {name: list(family(name).take(traces())) for name in FAMILIES}
    matchers = Matchers({name: pages for name, pages in prints.items() if pages})
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        source = Source("ready", place)
        scan = open_scan(place)
        found = [scan_shard(shard, scan, matchers, Limits()) for shard in shards(scan, source)]
        scan.close()
    sys.stdout.write(f"the hunt is ready: {sum(group.count for one in found for group in one.groups.values())} things recognised\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
