"""Sealed media: Tink reads ours, we read Tink's, ranges are sought, nothing cut or changed passes."""

from __future__ import annotations

import base64
import io
import json
import os

import pytest
import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2

from expunge.errors import KeyStoreError
from expunge.keys.streaming import SEGMENT, SealedReader, seal_chunks, unseal_chunks

KEY = bytes(range(32))
FIRST = SEGMENT - 40 - 16
SIZES = [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + SEGMENT - 16, FIRST + SEGMENT - 15, 3 * SEGMENT + 7]


def sealed(plain: bytes, bound_to: bytes = b"clip 7") -> bytes:
    return b"".join(seal_chunks(KEY, [plain], bound_to=bound_to))


def _tink(key: bytes) -> streaming_aead.StreamingAead:
    proto = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0,
        key_value=key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=SEGMENT, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
        ),
    )
    keyset = {
        "primaryKeyId": 1,
        "key": [
            {
                "keyData": {
                    "typeUrl": "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
                    "value": base64.b64encode(proto.SerializeToString()).decode(),
                    "keyMaterialType": "SYMMETRIC",
                },
                "status": "ENABLED",
                "keyId": 1,
                "outputPrefixType": "RAW",
            }
        ],
    }
    streaming_aead.register()
    handle = tink.json_proto_keyset_format.parse(json.dumps(keyset), secret_key_access.TOKEN)
    primitive: streaming_aead.StreamingAead = handle.primitive(streaming_aead.StreamingAead)
    return primitive


class _Kept(io.BytesIO):
    """Tink closes what it writes to; this remembers what was written."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


@pytest.mark.parametrize("size", SIZES)
def test_tink_reads_what_we_seal(size: int) -> None:
    plain = os.urandom(size)
    with _tink(KEY).new_decrypting_stream(io.BytesIO(sealed(plain)), b"clip 7") as stream:
        assert stream.read() == plain


@pytest.mark.parametrize("size", SIZES)
def test_we_read_what_tink_seals(size: int) -> None:
    plain = os.urandom(size)
    out = _Kept()
    with _tink(KEY).new_encrypting_stream(out, b"clip 7") as stream:
        stream.write(plain)
    assert b"".join(unseal_chunks(KEY, io.BytesIO(out.kept), bound_to=b"clip 7")) == plain


def test_chunking_does_not_change_the_plaintext() -> None:
    plain = os.urandom(2 * SEGMENT + 100)
    for step in (1 << 14, 700_001, SEGMENT, 5 * SEGMENT):
        chunks = [plain[start : start + step] for start in range(0, len(plain), step)]
        whole = b"".join(seal_chunks(KEY, [b"", *chunks, b""], bound_to=b""))
        assert b"".join(unseal_chunks(KEY, io.BytesIO(whole), bound_to=b"")) == plain


def test_any_range_can_be_sought_and_opens_only_what_it_touches() -> None:
    plain = os.urandom(3 * SEGMENT + 7)
    whole = bytearray(sealed(plain))
    whole[SEGMENT + 5] ^= 1
    reader = SealedReader(io.BytesIO(whole), KEY, bound_to=b"clip 7")
    assert (reader.length, reader.readable(), reader.seekable()) == (len(plain), True, True)
    for start, count in ((0, 10), (FIRST - 5, 5), (2 * SEGMENT, 65_536), (len(plain) - 3, 10), (len(plain), 4), (len(plain) + 9, 4)):
        assert reader.seek(start) == start
        assert reader.read(count) == plain[start : start + count]
    assert reader.seek(-4, io.SEEK_END) == reader.tell() == len(plain) - 4
    assert reader.seek(1, io.SEEK_CUR) == len(plain) - 3
    assert reader.readall() == plain[-3:]
    with pytest.raises(ValueError, match="not negative"):
        reader.seek(-1)
    reader.seek(FIRST - 5)
    with pytest.raises(KeyStoreError):
        io.BufferedReader(reader).read(10)


def test_nothing_cut_changed_moved_or_bound_otherwise_is_read() -> None:
    plain = os.urandom(2 * SEGMENT)
    whole = sealed(plain)
    swapped = whole[:SEGMENT] + whole[2 * SEGMENT :] + whole[SEGMENT : 2 * SEGMENT]
    flipped = [bytes([*whole[:place], whole[place] ^ 1]) + whole[place + 1 :] for place in (0, 1, 33, 40, SEGMENT, len(whole) - 1)]
    cut = [whole[:end] for end in (0, 39, 40, 41, 55, SEGMENT, 2 * SEGMENT, len(whole) - 1)]
    for changed in (*flipped, *cut, swapped, whole + b"\0", whole + bytes(SEGMENT), whole[:SEGMENT] + whole[2 * SEGMENT :]):
        with pytest.raises(KeyStoreError):
            list(unseal_chunks(KEY, io.BytesIO(changed), bound_to=b"clip 7"))
    with pytest.raises(KeyStoreError):
        list(unseal_chunks(KEY, io.BytesIO(whole), bound_to=b"clip 8"))
    with pytest.raises(KeyStoreError):
        list(unseal_chunks(KEY[::-1], io.BytesIO(whole), bound_to=b"clip 7"))
