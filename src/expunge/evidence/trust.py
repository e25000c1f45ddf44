"""The trust bundle: whose signatures count. It is handed over out of band; nothing in a receipt can change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical, parse_object
from expunge.evidence.notes import COSIGNATURE, NOTE_SIGNATURE, VerifyKey, parse_vkey

_TYPE = "trust/1"
_FIELDS = {"type", "log", "executor", "verifier", "witnesses"}


@dataclass(frozen=True, slots=True)
class Trust:
    """The public keys of the log, of who erases, of who checks, and of the witnesses (may be none)."""

    log: VerifyKey
    executor: VerifyKey
    verifier: VerifyKey
    witnesses: tuple[VerifyKey, ...] = ()

    def __post_init__(self) -> None:
        """Keep the three roles apart: one key that both does and checks proves nothing.

        Raises:
            BadProof: two roles share a key, or a key is of the wrong type.
        """
        keys = (self.log, self.executor, self.verifier, *self.witnesses)
        if len({one.public for one in keys}) != len(keys):
            raise BadProof("the trust bundle gives one key to two roles")
        if any(one.algorithm != NOTE_SIGNATURE for one in keys[:3]) or any(one.algorithm != COSIGNATURE for one in self.witnesses):
            raise BadProof("in a trust bundle, witnesses have keys of type 4 and everybody else of type 1")

    @classmethod
    def of(cls, log: str, executor: str, verifier: str, witnesses: tuple[str, ...] = ()) -> Self:
        """From vkey texts.

        Raises:
            BadProof: not vkeys, or as above.
        """
        return cls(parse_vkey(log), parse_vkey(executor), parse_vkey(verifier), tuple(parse_vkey(one) for one in witnesses))

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Read a bundle's bytes, canonical JSON.

        Raises:
            BadProof: anything else.
        """
        bundle = parse_object(raw)
        witnesses = bundle.get("witnesses")
        if bundle.keys() != _FIELDS or bundle["type"] != _TYPE or not isinstance(witnesses, list):
            raise BadProof("not a trust bundle of this version")
        log, executor, verifier = (parse_vkey(bundle[role]) for role in ("log", "executor", "verifier"))
        return cls(log, executor, verifier, tuple(parse_vkey(one) for one in witnesses))

    def to_json(self) -> bytes:
        """The bundle as canonical JSON."""
        return canonical(
            {
                "type": _TYPE,
                "log": self.log.text,
                "executor": self.executor.text,
                "verifier": self.verifier.text,
                "witnesses": [one.text for one in self.witnesses],
            }
        )
