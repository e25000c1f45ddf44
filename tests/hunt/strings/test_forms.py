"""Every written form is seen in every kind of text, and stands by itself."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import quopri
import urllib.parse
from collections.abc import Callable

import pytest

from expunge.hunt.prints import Tier
from expunge.hunt.strings import Strings
from tests.hunt.strings.looking import (
    ACCOUNT,
    DEVICE,
    MAC,
    MAIL,
    SAID,
    SPOKEN_JAPANESE,
    SPOKEN_RUSSIAN,
    UMLAUTS,
    found,
    look,
    matcher,
)

EMAIL, PROFILE, DEVICE_ID, TEXT = (0, "email"), (0, "profile_id"), (1, "device_id"), (2, "text")

SETTINGS: dict[str, Callable[[str], bytes]] = {
    "log": lambda value: f"2019-04-02T10:11:12Z INFO user {value} signed in\n".encode(),
    "json": lambda value: json.dumps({"a": 1, "who": value, "b": [1, 2]}).encode(),
    "json in json": lambda value: json.dumps({"body": json.dumps({"who": value})}).encode(),
    "csv": lambda value: f'7,"{value}",2019-04-02\r\n'.encode(),
    "sql": lambda value: f"INSERT INTO t VALUES (7,'{value}',NULL);".encode(),
    "url": lambda value: f"https://x.example/a?who={urllib.parse.quote(value, safe='')}&b=2".encode(),
    "form": lambda value: f"a=1&who={urllib.parse.quote_plus(value)}&b=2".encode(),
    "twice escaped": lambda value: urllib.parse.quote(urllib.parse.quote(value, safe=""), safe="").encode(),
    "base64": lambda value: b"x: " + base64.b64encode(f"hello {value} there".encode()) + b"\n",
    "base64 after 1": lambda value: base64.urlsafe_b64encode(f"h {value} there".encode()),
    "base64 after 2": lambda value: base64.b64encode(f"he {value} there".encode()),
    "base64, wrapped": lambda value: base64.encodebytes(b"lorem ipsum " * 30 + value.encode() + b" dolor sit" * 30),
    "base64 in a path": lambda value: b"GET /v1/get/" + base64.urlsafe_b64encode(value.encode() + b" Q") + b" HTTP/1.1",
    "json in base64": lambda value: base64.b64encode(json.dumps({"who": value}).replace("@", "\\u0040").encode()),
    "hex": lambda value: b"0x" + value.encode().hex().encode(),
    "hex, odd": lambda value: b"bytea \\\\xabc" + value.encode().hex().encode(),
    "html": lambda value: html.escape(value).replace("@", "&#64;").replace(".", "&period;").encode(),
    "quoted-printable": lambda value: quopri.encodestring(value.encode()).replace(b"@", b"=40"),
    "utf-16le": lambda value: f"the mail is {value} today".encode("utf-16-le"),
    "utf-16be": lambda value: f"the mail is {value} today".encode("utf-16-be"),
    "utf-16, odd": lambda value: b"\x01" + f"the mail is {value} today".encode("utf-16-le"),
    "utf-8 with mark": lambda value: b"\xef\xbb\xbf" + value.encode(),
    "upper": lambda value: f"<{value.upper()}>".encode(),
    "lower": lambda value: f"({value.lower()})".encode(),
    "length-prefixed": lambda value: b"\x00\x00\x00\x14" + value.encode() + b"\x00\x02",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_mail_address_is_found_in(setting: str) -> None:
    assert EMAIL in found(SETTINGS[setting](MAIL)), setting


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_text_is_found_in(setting: str) -> None:
    assert TEXT in found(SETTINGS[setting](SAID)), setting


@pytest.mark.parametrize("setting", [one for one in SETTINGS if one not in {"utf-16le", "utf-16be", "utf-16, odd"}])
def test_an_address_with_umlauts_is_found_in(setting: str) -> None:
    assert (3, "email") in found(SETTINGS[setting](UMLAUTS)), setting


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("variant", [MAIL, MAIL.upper()])
def test_digests_are_found(algorithm: str, variant: str) -> None:
    digest = hashlib.new(algorithm, variant.encode())
    raw = digest.digest()
    for content in (
        f"id={digest.hexdigest()};".encode(),
        digest.hexdigest().upper().encode(),
        base64.b64encode(raw),
        b"x" * 7 + raw + b"y" * 9,
        b"\x00\x01z" + raw,
        b"user:" + base64.urlsafe_b64encode(raw).rstrip(b"="),
    ):
        assert EMAIL in found(content), content


@pytest.mark.parametrize(
    "written",
    [str(DEVICE), str(DEVICE).upper(), f"{{{DEVICE}}}", DEVICE.hex, f"urn:uuid:{DEVICE}", f"/dev/{DEVICE}.json", f"a_{DEVICE.hex}_b"],
)
def test_a_uuid_is_found(written: str) -> None:
    assert DEVICE_ID in found(f"x {written} y".encode())


@pytest.mark.parametrize("raw", [DEVICE.bytes, DEVICE.bytes_le])
@pytest.mark.parametrize("before", range(4))
def test_a_binary_uuid_is_found(raw: bytes, before: int) -> None:
    assert DEVICE_ID in found(b"abc"[:before] + raw + b"rest")


@pytest.mark.parametrize("written", ["G0K1-9ABC-42XZ", "G0K19ABC42XZ", "g0k1:9abc:42xz", "SN=G0K1 9ABC 42XZ;"])
def test_a_serial_number_is_found_with_any_separators(written: str) -> None:
    assert (1, "serial") in found(written.encode())


@pytest.mark.parametrize("written", [MAC, "3c5ab4019fe2", "3c-5a-b4-01-9f-e2", "3c5a.b401.9fe2"])
def test_a_hardware_address_is_found(written: str) -> None:
    assert (1, "mac") in found(f"arp {written} eth0".encode())


@pytest.mark.parametrize("written", ["+1 (415) 555-0134", "14155550134", "+14155550134", "415-555-0134", "(415) 555 0134", "415.555.0134"])
def test_a_telephone_number_is_found(written: str) -> None:
    assert (1, "phone") in found(f"call {written} now".encode())


def test_a_long_number_is_found_alone() -> None:
    assert (1, "account_no") in found(f"to {ACCOUNT}, yes".encode())
    assert not found(f"to {ACCOUNT}1, {ACCOUNT // 10}, 1{ACCOUNT}".encode())


def test_a_short_address_is_found() -> None:
    assert (3, "email") in found(b"cc: <jo@ab.de>, x")
    assert not found(b"cc: <mojo@ab.de>, jo@ab.de.example, jo-ab-de x")


@pytest.mark.parametrize(
    "content",
    [
        b'{"profile_id": 17, "x": 1}',
        b"GET /profiles/17/clips HTTP/1.1",
        b"profileId=17&lang=en",
        b'"profile":{"lang":"en","id":17}',
        b'"profile_ids": [3, 9, 17, 22]',
        b"<profile_id>17</profile_id>",
        b'<clip profile="17">',
        b"SELECT 1 WHERE profile_id = 17;",
        b"year=2019/profile_id=17/part-0.parquet",
        b'{\\"profile_id\\": \\"17\\"}',
    ],
)
def test_a_small_number_is_found_behind_its_field(content: bytes) -> None:
    assert found(content) == {PROFILE}


@pytest.mark.parametrize(
    "content",
    [
        b"17",
        b"retries=17 status=17",
        b'{"profile_count": 17}',
        b'{"profile_id": 170, "n": 17}',
        b'{"profile_id": 1, "age": 17}',
        b"profile_id=17.5",
        b"a,17,b\n",
        b"profile 5 took 17 ms",
        b"2017-17-17 17:17:17",
    ],
)
def test_a_small_number_elsewhere_is_nothing(content: bytes) -> None:
    assert not found(content)


@pytest.mark.parametrize(
    "content",
    [
        SAID.upper(),
        f"she said: «{SAID}» and left",
        SAID.replace(" ", ", ") + "!!",
        SAID.replace(" ", "\n"),
        SAID.replace(" ", "\t0.31\n").replace("\t0.31", ""),
        " ".join(f"<b>{word}</b>" for word in SAID.split()),
        '<p>remind <b>me</b> to pick up <span class="x">grandma</span> Beatrix from the dialysis clinic on Tuesday</p>',
        json.dumps(SAID.replace(" ", "\n")),
        SAID.replace(" ", "_").lower() + ".wav",
    ],
)
def test_a_text_is_found_however_it_is_set(content: str) -> None:
    assert TEXT in found(content.encode())


@pytest.mark.parametrize(
    "content",
    [
        "remind me to fetch grandma Beatrix from the dialysis clinic on Tuesday please",
        "remind me pick up my grandma Beatrix from the dialysis clinic on Tuseday",
        "Erinnere: pick up grandma Beatrix from dialysis clinic on Tuesday",
        "remind me to pick up grandma Beatrice from the dialyses clinic on Tuesday",
    ],
)
def test_an_edited_text_is_seen(content: str) -> None:
    assert any(one.subject == 2 for one in look(content.encode()))


@pytest.mark.parametrize("said", [SPOKEN_RUSSIAN, SPOKEN_RUSSIAN.upper(), SPOKEN_JAPANESE])
def test_a_text_of_another_script_is_found(said: str) -> None:
    assert any(one.subject == 2 for one in look(f"x: {said}。".encode()))
    assert any(one.subject == 2 for one in look(json.dumps({"said": said}).encode()))


@pytest.mark.parametrize("common", ["play music", "Turn on the light in the kitchen", "turn on the light", "on Tuesday", "pick up"])
def test_what_everybody_says_does_not_cry_wolf(common: str) -> None:
    assert not found(f"{common}\n{common}.".encode())


def test_a_first_name_alone_is_nothing_and_is_shown_beside_its_person() -> None:
    assert not [one for one in look(b'{"first_name": "Beatrix"}') if one.type == "first_name"]
    beside = look(f'{{"first_name": "Beatrix", "text": "{SAID}"}}'.encode())
    assert [one.tier for one in beside if one.type == "first_name"] == [Tier.REVIEW]


def test_an_address_inside_a_longer_one_is_no_find() -> None:
    assert not found(b"joanna.k+x@example.com anna.k+x@example.com.au anna.k+x@example.community")


def test_pages_that_are_not_ours_are_refused() -> None:
    for page in (b"", b"PK\x03\x04 no", b"\x80\x04]."):
        with pytest.raises(ValueError, match="not a page"):
            Strings().matcher([page])


def test_no_traces_see_nothing() -> None:
    assert look(b"anything at all", matcher(())) == []
