"""Media sealed in chunks, in Tink's AES256_GCM_HKDF_1MB streaming format, so that Tink reads it and any range can be sought.

Layout: a header of one length byte (40), a 32-byte salt and a 7-byte nonce prefix; then segments of 1 MiB, the first shorter by the
header, the last by what is missing; each ends in a 16-byte tag. The file's key is HKDF-SHA256 of the main key with that salt and the
associated bytes; a segment's nonce is prefix, number (four bytes, big-endian) and a byte that marks the last. So no segment can be
changed, moved, dropped or added unnoticed, not even at the end.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from expunge.errors import KeyStoreError

SEGMENT = 1 << 20
"""Bytes of a sealed segment, as the name of the format says."""
_KEY = 32
_SALT = 32
_PREFIX = 7
_HEADER = 1 + _SALT + _PREFIX
_TAG = 16
_PLAIN = SEGMENT - _TAG


def seal_chunks(key: bytes, chunks: Iterable[bytes], *, bound_to: bytes) -> Iterator[bytes]:
    """Encrypt a stream, chunk sizes as they come, holding at most two segments in memory; yields header and segments.

    ``key`` has 32 bytes; ``bound_to`` (Tink's associated data) is authenticated, not stored.
    """
    salt, prefix = os.urandom(_SALT), os.urandom(_PREFIX)
    cipher = _cipher(key, salt, bound_to)
    yield bytes([_HEADER]) + salt + prefix
    held = bytearray()
    number, room = 0, _PLAIN - _HEADER
    for chunk in chunks:
        held += chunk
        # a full segment waits until a byte follows it: only then is it known not to be the last
        while len(held) > room:
            yield cipher.encrypt(_nonce(prefix, number, last=False), bytes(held[:room]), None)
            del held[:room]
            number, room = number + 1, _PLAIN
    yield cipher.encrypt(_nonce(prefix, number, last=True), bytes(held), None)


class SealedWriter(io.RawIOBase):
    """Seals what is written into it, as ``seal_chunks`` does, holding at most two segments in memory. Whole only when closed."""

    def __init__(self, file: BinaryIO, key: bytes, *, bound_to: bytes) -> None:
        """Begin in ``file``, which stays the caller's to close; ``key`` has 32 bytes, ``bound_to`` is authenticated, not stored."""
        super().__init__()
        salt, self._prefix = os.urandom(_SALT), os.urandom(_PREFIX)
        self._file = file
        self._cipher = _cipher(key, salt, bound_to)
        self._held = bytearray()
        self._number, self._room = 0, _PLAIN - _HEADER
        file.write(bytes([_HEADER]) + salt + self._prefix)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, chunk: bytes | bytearray | memoryview) -> int:  # type: ignore[override]  # a narrower buffer type than any
        """Take all of it; how many bytes."""
        self._held += chunk
        while len(self._held) > self._room:
            self._seal(last=False)
        return len(chunk)

    def close(self) -> None:
        """Seal what is left, as the last segment. Idempotent."""
        if not self.closed:
            self._seal(last=True)
        super().close()

    def _seal(self, *, last: bool) -> None:
        plain = bytes(self._held) if last else bytes(self._held[: self._room])
        self._file.write(self._cipher.encrypt(_nonce(self._prefix, self._number, last=last), plain, None))
        del self._held[: len(plain)]
        self._number, self._room = self._number + 1, _PLAIN


class SealedReader(io.RawIOBase):
    """Sealed media as a seekable, readable file of its plaintext; wrap it in ``io.BufferedReader`` for small reads.

    A read opens only the segments that it touches, and gives nothing that was not authenticated. The last segment is opened at once,
    so that the length it speaks of is genuine.
    """

    def __init__(self, file: BinaryIO, key: bytes, *, bound_to: bytes) -> None:
        """Read the header and the last segment of ``file``, which must be seekable and stays the caller's to close.

        Raises:
            KeyStoreError: not sealed with this key, bound to something else, cut, or changed.
        """
        super().__init__()
        self._file = file
        self._sealed = file.seek(0, io.SEEK_END)
        file.seek(0)
        header = file.read(_HEADER)
        if len(header) != _HEADER or header[0] != _HEADER:
            raise _broken()
        self._prefix = header[1 + _SALT :]
        self._cipher = _cipher(key, header[1 : 1 + _SALT], bound_to)
        self._last = (self._sealed - 1) // SEGMENT
        self._length = self._sealed - _HEADER - _TAG * (self._last + 1)
        self._place = 0
        self._number, self._plain = self._last, self._open(self._last)

    @property
    def length(self) -> int:
        """Bytes of plaintext."""
        return self._length

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place in the plaintext."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place in the plaintext; as for any file, it may lie beyond the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        if start + offset < 0:
            msg = "a place in a file is not negative"
            raise ValueError(msg)
        self._place = start + offset
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # a narrower buffer type than any
        """Fill the buffer from the current place, at most to the end of a segment; how many bytes.

        Raises:
            KeyStoreError: the segment was cut or changed.
        """
        if self._place >= self._length or not len(buffer):
            return 0
        # the first segment's plaintext is shorter by the header, so places shifted by it divide evenly
        number, within = divmod(self._place + _HEADER, _PLAIN)
        if number == 0:
            within -= _HEADER
        if number != self._number:
            self._number, self._plain = number, self._open(number)
        part = self._plain[within : within + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def _open(self, number: int) -> bytes:
        start = max(_HEADER, number * SEGMENT)
        self._file.seek(start)
        sealed = self._file.read((number + 1) * SEGMENT - start)
        try:
            return self._cipher.decrypt(_nonce(self._prefix, number, last=number == self._last), sealed, None)
        except (InvalidTag, ValueError):
            raise _broken() from None


def unseal_chunks(key: bytes, file: BinaryIO, *, bound_to: bytes) -> Iterator[bytes]:
    """Decrypt a whole file, a segment at a time.

    Raises:
        KeyStoreError: not sealed with this key, bound to something else, cut, or changed; what was yielded before is genuine.
    """
    reader = SealedReader(file, key, bound_to=bound_to)
    return iter(lambda: reader.read(SEGMENT) or b"", b"")


def _cipher(key: bytes, salt: bytes, bound_to: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY, salt, bound_to).derive(key))


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


def _broken() -> KeyStoreError:
    return KeyStoreError("sealed media is not this key's, was cut or changed, or is bound to something else", where="sealed media")
