"""Letters by SMTP (RFC 5321), over TLS: one connection for as long as it lasts, a new one when it broke.

Plain connections are made to this machine only. Replies become codes: ``4yz`` later, ``5yz`` never; a reply's text quotes addresses.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from expunge.errors import PolicyInvalid
from expunge.runtime.outbox import Carried, Mail, Result
from expunge.runtime.outbox_mail import message_of

TIMEOUT = 300.0
"""Seconds for a reply: RFC 5321 4.5.3.2 asks for 5 minutes at the greeting, MAIL and RCPT."""

_PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}  # RFC 8314 3.3, RFC 6409 3.1, RFC 5321
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})
_PERMANENT = 500  # RFC 5321 4.2.1: 5yz is a permanent refusal
_CLOSING = 421  # RFC 5321 4.2.2: the server ends the connection, whatever was asked


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server: ``smtp`` upgrades with STARTTLS before anything is said, ``smtps`` begins with TLS, ``smtp+plain`` has none."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authority: str | None = None

    @classmethod
    def of(cls, url: str, password: str | None) -> Self:
        """Read ``smtps://user@host:port?ca=FILE``; the password never stands in it.

        Raises:
            PolicyInvalid: another scheme, no host, a password in the URL, or a plain connection to another machine.
        """
        parts = urlsplit(url)
        where = "EXPUNGE_SMTP"
        if parts.scheme not in _PORTS or not parts.hostname:
            raise PolicyInvalid("wants smtps://USER@HOST:PORT, smtp://… (with STARTTLS) or smtp+plain://localhost", where=where)
        if parts.password is not None:
            raise PolicyInvalid("the password belongs into EXPUNGE_SMTP_PASSWORD", where=where)
        if parts.scheme == "smtp+plain" and parts.hostname not in _HERE:
            raise PolicyInvalid("letters leave this machine under TLS only", where=where)
        try:
            port = parts.port or _PORTS[parts.scheme]
        except ValueError:
            raise PolicyInvalid("the port is no number", where=where) from None
        authority = parse_qs(parts.query).get("ca", [None])[0]
        return cls(parts.scheme, parts.hostname, port, unquote(parts.username) if parts.username else None, password, authority)


class Smtp:
    """A ``Transport`` to one mail server; ``sender`` is the address that letters come from and bounce to."""

    def __init__(self, server: Server, sender: str, now: Callable[[], datetime]) -> None:
        """Connect when the first letter is carried."""
        self._server = server
        self._sender = sender
        self._now = now
        self._line: smtplib.SMTP | None = None

    def carry(self, mail: Mail) -> Carried:
        """Hand one letter to the server; ``TAKEN`` when it answered 250, which is not yet an arrival."""
        message = message_of(mail, self._sender, self._now())
        if message is None:
            return Carried(Result.NEVER, "bad-address")
        try:
            line = self._connected()
        except smtplib.SMTPNotSupportedError:  # no STARTTLS, no AUTH: the server's matter, not the letter's
            return Carried(Result.AWAY, "smtp-unsupported")
        except smtplib.SMTPResponseException as fault:
            return Carried(Result.AWAY, f"smtp-{fault.smtp_code}")
        except (OSError, smtplib.SMTPException) as fault:
            return Carried(Result.AWAY, "smtp-tls" if isinstance(fault, ssl.SSLError) else "smtp-unreachable")
        return self._hand_over(line, mail, message)

    def _hand_over(self, line: smtplib.SMTP, mail: Mail, message: EmailMessage) -> Carried:
        try:
            notify = ["NOTIFY=SUCCESS,FAILURE"] if line.has_extn("dsn") else []  # RFC 3461: the DSN then also tells of an arrival
            options = [f"ENVID={mail.name}", "RET=HDRS"] if notify else []
            line.send_message(message, mail_options=options, rcpt_options=notify)
        except smtplib.SMTPRecipientsRefused as fault:
            carried = _refused(next(iter(fault.recipients.values()))[0])
            if carried.result is Result.AWAY:
                self.close()
            return carried
        except smtplib.SMTPNotSupportedError:
            return Carried(Result.NEVER, "smtp-unsupported")
        except smtplib.SMTPResponseException as fault:
            self.close()
            mine = isinstance(fault, smtplib.SMTPSenderRefused)  # our own configuration: no letter is to blame
            return Carried(Result.AWAY, f"smtp-{fault.smtp_code}") if mine else _refused(fault.smtp_code)
        except (OSError, smtplib.SMTPException):
            self.close()
            return Carried(Result.AWAY, "smtp-unreachable")
        return Carried(Result.TAKEN)

    def close(self) -> None:
        """Say QUIT, if anybody still listens."""
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError, smtplib.SMTPException):
                line.quit()

    def _connected(self) -> smtplib.SMTP:
        if self._line is None:
            line = self._open()
            try:
                if self._server.scheme == "smtp":
                    line.starttls(context=self._context())
                line.ehlo_or_helo_if_needed()
                if self._server.user is not None:
                    line.login(self._server.user, self._server.password or "")
            except (OSError, smtplib.SMTPException):
                line.close()
                raise
            self._line = line
        return self._line

    def _open(self) -> smtplib.SMTP:
        if self._server.scheme == "smtps":
            return smtplib.SMTP_SSL(self._server.host, self._server.port, timeout=TIMEOUT, context=self._context())
        return smtplib.SMTP(self._server.host, self._server.port, timeout=TIMEOUT)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.authority)


def _refused(code: int) -> Carried:
    later = Result.AWAY if code == _CLOSING else Result.LATER
    return Carried(Result.NEVER if code >= _PERMANENT else later, f"smtp-{code}")
