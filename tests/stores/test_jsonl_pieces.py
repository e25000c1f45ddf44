"""Both readers of log files read the same lines, however a file falls into chunks and whatever it was packed from."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.stores import jsonl_files
from expunge.stores.jsonl_files import lines, pieces

CONTENT = st.lists(st.sampled_from([b"", b"\n", b"\r\n", b"\r", b"a", b"\x00", b"{}", b"bc" * 40]), max_size=12).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(parts=st.lists(CONTENT, min_size=1, max_size=3), packed=st.booleans(), padding=st.integers(0, 40), chunk=st.integers(2, 90))
def test_lines_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], *, packed: bool, padding: int, chunk: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(b"".join(map(gzip.compress, parts)) + bytes(padding) if packed else b"".join(parts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl_files, "CHUNK", chunk)
        read = list(pieces(path, "logs"))
    assert [one.removesuffix(b"\r") for one in read] == [one.removesuffix(b"\r") for one in lines(path, "logs")]


def test_what_was_packed_a_thousandfold_is_unpacked_piece_by_piece(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress((b" " * 999 + b"\n") * 40_000))
    tracemalloc.start()
    try:
        assert sum(map(len, pieces(tmp_path / "a.gz", "logs"))) == 999 * 40_000
        assert tracemalloc.get_traced_memory()[1] < 12 * jsonl_files.CHUNK
    finally:
        tracemalloc.stop()
