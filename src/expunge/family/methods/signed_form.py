"""The signed form: printed, signed, and sent back as a scan (16 CFR 312.5(b)(2)(i)); somebody looks at it before it counts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.errors import InvalidRequest
from expunge.family.methods.base import Challenge, Opening, Outcome, Result
from expunge.terms import Json

LARGEST = 20 * 1024 * 1024
"""Bytes: ten pages scanned in colour at 300 dpi take half of it."""

_SIGNS = (b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")
"""How PDF, PNG, JPEG and TIFF begin: what scanners and phones make."""


@dataclass(frozen=True, slots=True)
class SignedForm:
    """The method."""

    name: str = "signed-form"
    clause: str = "16 CFR 312.5(b)(2)(i)"

    def unfit(self, discloses: Sequence[str]) -> str | None:
        """Fit for every consent."""
        del discloses
        return None

    def begin(self, opening: Opening) -> Challenge:
        """Show the form's text, with the reference that it is to carry."""
        form = (
            f"I am the parent or guardian of the child of this account. I agree to:\n\n{opening.what}\n\nI know that I can take "
            f"this back at any time.\n\nReference: {opening.reference}\nName:\nDate:\nSignature:\n"
        )
        return Challenge({"form": form}, {"stage": "form"})

    def answer(self, held: Mapping[str, Json], answer: Mapping[str, Json]) -> Outcome:
        """First the scan (``document``, base64); then, by who looked at it (``reviewed_by``, a role), whether it is ``signed``."""
        if "document" in answer:
            return self._took(answer["document"])
        reviewer, signed = answer.get("reviewed_by"), answer.get("signed")
        if held.get("stage") != "review" or not isinstance(reviewer, str) or not reviewer.strip() or not isinstance(signed, bool):
            raise InvalidRequest("the answer is a scan of the form; then, once there is one, who looked at it and whether it is signed")
        scan = base64.b64decode(str(held["document"]))
        if not signed:
            return Outcome(Result.FAILED, evidence=scan, because="the form was not signed")
        return Outcome(Result.VERIFIED, evidence=scan)

    def _took(self, document: Json) -> Outcome:
        try:
            scan = base64.b64decode(str(document), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidRequest("the scan is not base64") from None
        if not scan.startswith(_SIGNS):
            raise InvalidRequest("the scan is not a PDF, PNG, JPEG or TIFF file")
        if len(scan) > LARGEST:
            raise InvalidRequest(f"the scan is larger than {LARGEST:,} bytes")
        return Outcome(Result.PENDING, {"stage": "review", "document": str(document)}, because="waits for somebody to look at it")
