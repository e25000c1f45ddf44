"""E-mail-plus and text-plus: a message with a code, and a second one some time after the answer, which says how to take it back.

16 CFR 312.5(b)(2)(viii), (ix). Both only where the operator does not disclose what it collects. The first message shows that whoever reads
that address answered; the delayed one reaches a parent whose child answered in their place. So the yes counts from when the confirmation
went out, not from the answer.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from expunge.errors import InvalidRequest
from expunge.family.methods.base import Challenge, Message, Opening, Outcome, Result, tried
from expunge.terms import Json

CODE_BYTES = 16
"""128 bits, as OWASP ASVS 5.0 7.2.3 asks of tokens: whoever did not read the message does not guess it."""

TRIES = 5
"""More than a person needs who copies a code by hand; against 128 bits any number would do."""


@dataclass(frozen=True, slots=True)
class MessagePlus:
    """One of the two, by its channel."""

    name: str
    clause: str
    channel: Literal["email", "text"]

    def unfit(self, discloses: Sequence[str]) -> str | None:
        """Refused where anything is disclosed."""
        if not discloses:
            return None
        return f"{self.name} may only be used where nothing is disclosed ({self.clause}); data goes to {', '.join(discloses)}"

    def begin(self, opening: Opening) -> Challenge:
        """Write to the address with a code."""
        if opening.to is None:
            raise InvalidRequest(f"{self.name} needs the guardian's address: where the request is sent")
        code = secrets.token_urlsafe(CODE_BYTES)
        held: Mapping[str, Json] = {
            "code": code,
            "what": opening.what,
            "wait": opening.confirm_after.total_seconds(),
            "reference": opening.reference,
        }
        message = Message(self.channel, "consent-request", {"what": opening.what, "code": code, "reference": opening.reference})
        return Challenge({"sent": True}, held, (message,))

    def answer(self, held: Mapping[str, Json], answer: Mapping[str, Json]) -> Outcome:
        """Whether the code is the one that was sent; then the confirmation goes out after the wait."""
        code = answer.get("code")
        if not isinstance(code, str):
            raise InvalidRequest("the answer is the code of the message")
        if not hmac.compare_digest(code.strip().encode(), str(held["code"]).encode()):
            return tried(held, TRIES, "the code is not the one that was sent")
        fields = {"what": str(held["what"]), "reference": str(held["reference"])}
        confirmation = Message(self.channel, "consent-confirmation", fields)
        wait = timedelta(seconds=float(str(held["wait"])))
        return Outcome(Result.PENDING, {}, evidence=code.encode(), messages=(confirmation,), wait=wait)
