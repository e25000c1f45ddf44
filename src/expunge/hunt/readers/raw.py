"""Formats that are known and can't be opened here. They are told, never passed over; their bytes are looked at all the same."""

from __future__ import annotations

from expunge.hunt.pieces import Unread, Why
from expunge.hunt.reading import Format, Opened, Reading

_ENCRYPTED: tuple[tuple[bytes, str], ...] = (
    (b"-----BEGIN PGP MESSAGE", "OpenPGP"),
    (b"age-encryption.org/v1", "age"),
    (b"-----BEGIN AGE ENCRYPTED FILE", "age"),
    (b"Salted__", "OpenSSL"),
    (b"$ANSIBLE_VAULT;", "Ansible vault"),
    (b"LUKS\xba\xbe", "LUKS"),
    (b"-FVE-FS-", "BitLocker"),
    (b"\x03\xd9\xa2\x9a", "KeePass"),
    (b"PARE", "Parquet with an encrypted footer"),
)
_CLOSED: tuple[tuple[bytes, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"\x1f\x9d", "compress (.Z)"),
    (b"\x1f\xa0", "compress (LZH)"),
    (b"LZIP\x01", "lzip"),
    (b"\x89LZO\0\r\n\x1a\n", "lzop"),
    (b"\xff\x06\0\0sNaPpY", "framed Snappy"),
    (b"MSCF\0\0\0\0", "Cabinet"),
    (b"hsqs", "SquashFS"),
    (b"xar!", "xar"),
    (b"QFI\xfb", "QCOW image"),
    (b"KDMV", "VMDK image"),
    (b"conectix", "VHD image"),
    (b"vhdxfile", "VHDX image"),
)


_FIRST = {first: tuple(one for one in (*_ENCRYPTED, *_CLOSED) if one[0][0] == first) for first in range(256)}


def _named(head: bytes) -> tuple[Why, str] | None:
    for magic, name in _FIRST.get(head[0], ()):
        if head.startswith(magic):
            return (Why.ENCRYPTED if (magic, name) in _ENCRYPTED else Why.UNSUPPORTED, name)
    if head[3:11] == b"-FVE-FS-":
        return (Why.ENCRYPTED, "BitLocker")
    if head[2:5] == b"-lh" and head[6:7] == b"-":
        return (Why.UNSUPPORTED, "LHA")
    return None


def _knows(head: bytes, _name: str) -> bool:
    return _named(head) is not None


def _read(opened: Opened) -> Reading:
    named = _named(opened.file.read(64))
    if named is not None:
        opened.account.unread.append(Unread(opened.place, named[0], opened.size, named[1]))
    yield from ()


FORMATS = (Format("closed", _knows, _read, raw="plain"),)
