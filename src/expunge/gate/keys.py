"""The gate's secrets: the key under which people's keys are hashed, and the pass by which a job reads an epoch.

The pass holds the hashing key and the publisher's public key. It is handed to jobs apart from the epochs' files: who has the files alone
can neither read whom they are about nor ask them about anybody; who has both can ask about keys that they know already.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from expunge.errors import BadProof
from expunge.errors_gate import GateClosed
from expunge.evidence.canonical import decode_base64, encode_base64
from expunge.evidence.notes import VerifyKey, parse_vkey

VARIABLE = "EXPUNGE_GATE_PASS"
"""The environment's name for the path of the pass."""

KEY_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class Pass:
    """What a job needs beside the files."""

    key: bytes
    verifier: VerifyKey

    def __repr__(self) -> str:
        """Never the key."""
        return f"Pass({self.verifier.name!r})"

    def to_json(self) -> bytes:
        """As it is written in a file."""
        return json.dumps({"gate": encode_base64(self.key), "verifier": self.verifier.text}, indent=2).encode() + b"\n"

    @classmethod
    def read(cls, path: str | Path | None, env: Mapping[str, str] | None = None) -> Self:
        """The pass in a file; in the one that ``EXPUNGE_GATE_PASS`` names, if none is given.

        Raises:
            GateClosed: there is none, or the file is something else.
        """
        named = path or (os.environ if env is None else env).get(VARIABLE)
        if not named:
            raise GateClosed(f"no pass is given: name its file with pass_file=, or in {VARIABLE}")
        try:
            told = json.loads(Path(named).read_bytes())
            held = cls(decode_base64(str(told["gate"])), parse_vkey(told["verifier"]))
        except OSError:
            raise GateClosed("the pass can't be read", where=str(named)) from None
        except (BadProof, ValueError, KeyError, TypeError):
            raise GateClosed("this file is no pass of a gate", where=str(named)) from None
        if len(held.key) != KEY_BYTES:
            raise GateClosed("this file is no pass of a gate", where=str(named))
        return held

    def halves(self, what: str) -> tuple[int, int]:
        """The two halves of the SipHash key for one use: ``kind/NAME`` or ``item/ADDRESS``, so that no hash serves two uses."""
        return halves(self.key, what)


def halves(key: bytes, what: str) -> tuple[int, int]:
    """As ``Pass.halves``, for who has only the key."""
    derived = hmac.digest(key, b"expunge gate/1\n" + what.encode("utf-8", "surrogatepass"), "sha256")
    return int.from_bytes(derived[:8], "little"), int.from_bytes(derived[8:16], "little")
