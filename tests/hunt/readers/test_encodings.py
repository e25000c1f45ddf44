"""What is encoded inside plain bytes: runs of base64 and hex, escapes, other character sets, files amid unknown bytes."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import quopri
import random
import urllib.parse
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from expunge.hunt.pieces import WINDOW, Place, Why
from expunge.hunt.reading import Limits
from expunge.hunt.spool import Meter
from tests.hunt.readers.looked import look

TEXT = "what is the weather like today, asked maya@example.com"
LOG = b"2024-05-01 12:00:01 INFO asr: a turn took 23 ms\n"


def wrapped(text: str, width: int, end: str) -> str:
    return end.join(text[at : at + width] for at in range(0, len(text), width))


@pytest.mark.parametrize("name", ["base64", "urlsafe", "hex", "HEX", "x", "0x"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n    ", "\\n", "\\r\\n"])
def test_runs_are_decoded_wherever_and_however_they_are_wrapped(name: str, end: str) -> None:
    secret = (TEXT + " ÿ?~ " + TEXT).encode()
    encoded = {
        "base64": base64.b64encode(secret).decode(),
        "urlsafe": base64.urlsafe_b64encode(secret).decode().rstrip("="),
        "hex": secret.hex(),
        "HEX": secret.hex().upper(),
        "x": "\\x" + secret.hex(),
        "0x": "0x" + secret.hex(),
    }[name]
    text = f'{{"key": "{wrapped(encoded, 76, end) if end else encoded}", "next": 1}}\n'
    looked = look(LOG * 3 + text.encode() + LOG * 3, "some.log")
    view = "base64" if name in ("base64", "urlsafe") else "hex"
    assert secret in looked.plain[view]


def test_slashes_as_json_may_write_them() -> None:
    secret = TEXT.encode() + b"\xff\xff\xff" * 9 + TEXT.encode()
    text = base64.b64encode(secret).replace(b"/", b"\\/")
    assert b"\\/" in text
    assert secret in look(b'{"a":"' + text + b'"}').plain["base64"]


@pytest.mark.parametrize("before", ["", "k/", "key/", "ab/", "maya_"])
def test_a_run_may_begin_with_the_end_of_something_else(before: str) -> None:
    text = before + base64.b64encode((TEXT * 2).encode()).decode()
    assert (TEXT + TEXT[:20]).encode() in look(f"see {text} there\n".encode()).plain["base64"]


def test_a_file_in_a_run_is_opened() -> None:
    looked = look(json.dumps({"a": base64.b64encode(gzip.compress(TEXT.encode())).decode()}).encode() + b"\n", "a.log")
    assert looked.plain["base64@7!gzip"] == TEXT.encode()
    header = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"
    wave = header + random.Random(1).randbytes(9000)  # no secret
    looked = look(b'<img src="data:audio/wav;base64,' + base64.b64encode(wave) + b'">\n')
    assert list(looked.media.values()) == [("audio", wave)]


def test_encodings_in_encodings_are_followed() -> None:
    inner = json.dumps({"text": "Grüße /\n" + TEXT})
    middle = base64.b64encode(inner.encode()).decode()
    outer = urllib.parse.quote(json.dumps({"payload": middle}), safe="")
    assert f"Grüße /\n{TEXT}".encode() in look(f"GET /?q={outer} 200\n".encode()).everything()


@pytest.mark.parametrize("name", ["json", "url", "html", "python", "octal", "quoted-printable"])
def test_escapes_are_decoded(name: str) -> None:
    text = "Grüße, 😀 weather / like\ttoday? said Maya & co"
    escaped = {
        "json": json.dumps(text).replace("/", "\\/"),
        "url": urllib.parse.quote(text, safe=""),
        "html": html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
        "python": repr(text.encode()),
        "octal": "".join(chr(one) if 0x20 <= one < 0x7F else f"\\{one:03o}" for one in text.encode()),
        "quoted-printable": quopri.encodestring((text + " " + LOG.decode() * 3).encode()).decode(),
    }[name]
    looked = look(LOG + f"value {escaped} end\n".encode() + LOG, "a.log")
    assert text.encode() in looked.everything().replace(b"&#x27;", b"'")


def test_text_without_encodings_gives_nothing_beside_itself() -> None:
    looked = look(LOG * 1000 + b"-" * 200 + b"\n" + b"0" * 100 + b"\n" + b"a" * 64 + b" C:\\dir 100% R&D a=b\n" + b"sha256:" + b"9f" * 32)
    assert set(looked.plain) == {""}


def test_digests_are_not_decoded_but_text_of_that_length_is() -> None:
    digest = random.Random(5).randbytes(32).hex().encode()  # no secret
    assert set(look(LOG + digest + b" a.txt\n").plain) == {""}
    assert (
        look(LOG + b"hello maya, this is text of 32..".hex().encode() + b" a.txt\n").plain["hex"] == b"hello maya, this is text of 32..\n"
    )


@given(
    before=st.integers(1, 200),
    size=st.integers(48, 40_000),
    edge=st.integers(-100, 50_000),
    encoding=st.sampled_from(["base64", "hex", "mime"]),
)
@settings(max_examples=25)
@example(before=1, size=48, edge=0, encoding="base64")
@example(before=1, size=78, edge=0, encoding="hex")
@example(before=3, size=40_000, edge=20_000, encoding="mime")
def test_runs_over_a_windows_edge_are_whole(before: int, size: int, edge: int, encoding: str) -> None:
    """Like an oracle: whatever lies where, the content comes out once and whole."""
    secret = random.Random(size).randbytes(size).hex()[:size].encode()  # no secret
    encoded = {"base64": base64.b64encode, "hex": lambda one: one.hex().encode(), "mime": base64.encodebytes}[encoding](secret)
    start = max(WINDOW - edge, 0)
    content = (LOG * (start // len(LOG) + 1))[:start] + b" " * before + encoded.strip() + b" end\n" + LOG * 3
    looked = look(content, "a.log")
    assert secret in b"".join(found for place, found in looked.plain.items() if place)


def test_escapes_over_a_windows_edge() -> None:
    text = json.dumps("Grüße an Maya, wie ist das Wetter?\n").encode()
    for cut in range(-len(text) - 2, 3):
        start = WINDOW + cut
        content = (LOG * (start // len(LOG) + 1))[:start] + text + LOG
        if cut % 7 == 0 or cut > -3:
            assert "Grüße an Maya, wie ist das Wetter?\n".encode() in look(content, "a.log").plain["escapes"]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["hällo, wie ist das Wetter, Maya?\n" * 40, "Привет, какая сегодня погода, Майя?\n" * 40])
def test_wide_text_is_read(charset: str, text: str) -> None:
    looked = look(text.encode(charset))
    assert looked.plain[charset[:6]] == text.encode()
    assert not looked.account.unread


def test_wide_text_amid_other_bytes() -> None:
    noise = random.Random(2).randbytes(999)  # no secret
    for charset in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        looked = look(b"\0\1" + noise + ("Maya fragt: " + TEXT).encode(charset) + noise)
        assert ("aya fragt: " + TEXT[:-1]).encode() in looked.plain["utf-16"], charset


def test_western_text_is_read_beside_utf8() -> None:
    looked = look("Grüße an Zoë: „hi“\n".encode("cp1252") * 20 + "Grüße an Zoë\n".encode() * 3)
    assert "Grüße an Zoë: „hi“\n".encode() * 20 + "Grüße an Zoë\n".encode() * 3 == looked.plain["utf-8"]


def test_a_csv_in_utf16_is_a_csv() -> None:
    looked = look(("name,latitude,longitude\n" + "maya,52.5,13.4\n" * 50).encode("utf-16"), "a.csv")
    assert looked.account.formats.get("csv") == 1


def inside(*files: bytes) -> bytes:
    noise = random.Random(7)  # no secret
    return b"\0\1\2" + b"".join(noise.randbytes(5003) + one for one in files) + noise.randbytes(3001)


@pytest.mark.parametrize("pipe", [False, True])
def test_files_amid_unknown_bytes_are_carved(*, pipe: bool) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("one.txt", TEXT * 9)
        out.writestr("two.txt", TEXT * 8)
    wave = b"RIFF" + (36 + 4000).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data" + bytes(4004)
    looked = look(inside(gzip.compress((TEXT * 20).encode()), packed.getvalue(), wave), "core.1234", pipe=pipe)
    by_end = {place.rpartition("!")[2]: found for place, found in looked.plain.items()}
    assert by_end["gzip"] == (TEXT * 20).encode()
    assert by_end["one.txt"] == (TEXT * 9).encode()
    assert by_end["two.txt"] == (TEXT * 8).encode()
    assert [found for _, found in looked.media.values()] == [wave]
    assert looked.told() == {"": Why.UNKNOWN}


def test_a_guess_that_is_nothing_is_not_told() -> None:
    looked = look(inside(b"\x1f\x8b\x08\0" + bytes(30), b"PK\x03\x04" + b"\xff" * 40, b"\x28\xb5\x2f\xfd" + b"\xff" * 40, b"BZh91AY&SY"))
    assert looked.told() == {"": Why.UNKNOWN}
    assert not any("@" in place for place in looked.plain)


def test_nothing_is_looked_for_in_a_name() -> None:
    from expunge.hunt.readers.encodings import Look
    from expunge.hunt.windows import Window

    looking = Look(Place("s"), Meter(Limits(), None))
    assert list(looking.at(Window(0, memoryview(b""), 0, last=True))) == list(looking.end()) == []


@given(
    content=st.binary(min_size=48, max_size=6_000),
    before=st.sampled_from(["", " ", '"', "=", ",", "\\n", "%3D", "%2F", "\\u003d", "models/", "sha512-", "maya_", "a+", "v1/emb/"]),
    padded=st.booleans(),
    safe=st.booleans(),
)
@settings(max_examples=300, deadline=None)
@example(content=b"\x0a\x02\xe7\x9c\xfa\x40" + random.Random(3).randbytes(760), before='"', padded=True, safe=False)  # no secret
def test_what_is_encoded_at_random_is_read_whatever_stands_around_it(content: bytes, before: str, padded: bool, safe: bool) -> None:  # noqa: FBT001 - drawn
    """Content that by chance begins like text or a file when it is read from a wrong letter on is read from the right one all the same."""
    varied = content + random.Random(len(content)).randbytes(48)  # no secret
    encoded = (base64.urlsafe_b64encode if safe else base64.b64encode)(varied).decode()
    text = f'{{"a": {before}{encoded if padded else encoded.rstrip("=")} }}\n'
    looked = look(LOG + text.encode() + LOG)
    everything = looked.everything() + b"".join(looked.opaque.values()) + b"".join(body for _, body in looked.media.values())
    assert varied in everything


def test_an_embedding_that_looks_shifted_is_read_from_its_first_letter() -> None:
    every = np.random.default_rng(19).standard_normal((3, 192)).astype(np.float32)
    lines = [json.dumps({"v": base64.b64encode(one.tobytes()).decode()}) for one in every]
    held = look("\n".join(lines).encode()).plain["base64"]
    assert all(one.tobytes() in held for one in every)


def _xxd(content: bytes, width: int = 16) -> str:
    lines = []
    for at in range(0, len(content), width):
        part = content[at : at + width]
        groups = " ".join(part[pair : pair + 2].hex() for pair in range(0, len(part), 2))
        lines.append(f"{at:08x}: {groups:<{width * 5 // 2 - 1}}  {''.join(chr(one) if 32 <= one < 127 else '.' for one in part)}")
    return "\n".join(lines)


def _hexdump(content: bytes) -> str:
    lines = []
    for at in range(0, len(content), 16):
        part = content[at : at + 16]
        halves = f"{part[:8].hex(' '):<23}  {part[8:].hex(' '):<23}"
        lines.append(f"{at:08x}  {halves}  |{''.join(chr(one) if 32 <= one < 127 else '.' for one in part)}|")
    return "\n".join([*lines, f"{len(content):08x}"])


DUMPS: dict[str, Callable[[bytes], str]] = {
    "xxd": _xxd,
    "xxd -c 32": lambda content: _xxd(content, 32),
    "hexdump -C": _hexdump,
    "in one line": lambda content: content.hex(" "),
    "in lines": lambda content: "\n".join(content[at : at + 16].hex(" ").upper() for at in range(0, len(content), 16)),
    "in JSON": lambda content: json.dumps({"packet": content.hex(" ")}),
}


@given(
    content=st.binary(min_size=24, max_size=200),
    name=st.sampled_from(sorted(DUMPS)),
    before=st.text("abc xyz:=\n", max_size=80),
)
@settings(max_examples=200, deadline=None)
def test_dumps_for_people_are_read(content: bytes, name: str, before: str) -> None:
    looked = look(LOG + before.encode() + b"\n" + DUMPS[name](content).encode() + b"\nend\n" + LOG, "a.log")
    assert any(content in held for where, held in looked.plain.items() if where.endswith("dump"))  # what it holds may begin a format's text


def test_numbers_and_words_are_no_dump() -> None:
    text = b"be ad in a cafe bed fade\n1 22 333 4444 55555\n12.5 13.25 14.75 15.50 16.25 17.75\nAA BB\n2024-03-04 11 02 07\n"
    assert set(look(LOG + text * 40).plain) == {""}
