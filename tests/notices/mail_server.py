"""A mail server on loopback: as much of RFC 5321 as a client needs, with TLS, login, and replies that a test chooses."""

from __future__ import annotations

import base64
import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"


@dataclass
class Box:
    """What the server was told, and what it answers: ``refuses`` maps an address to its reply, ``greeting`` to the first line."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    greeting: str = "220 here"
    plain_words: list[str] = field(default_factory=list)
    certificate: Path | None = None

    def ids(self) -> list[str]:
        return [str(one["Message-ID"]) for one in self.mails]


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):  # a client that doesn't like our certificate, or was killed
            self.talk()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def talk(self) -> None:
        box = cast("_Server", self.server).box
        context = cast("_Server", self.server).context
        self.secure = False
        self.reply(box.greeting)
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            if not self.secure:
                box.plain_words.append(word.upper())
            if word.upper() == "QUIT":
                self.reply("221 bye")
                return
            if word.upper() == "STARTTLS" and context is not None:
                self.reply("220 go on")
                self.rfile.close()
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
                self.secure = True
            elif word.upper() == "DATA":
                self.reply("354 go on")
                raw = b"".join(iter(self.rfile.readline, b".\r\n"))
                box.mails.append(message_from_bytes(raw, policy=policy.default))
                self.reply("250 taken")
            else:
                self.reply(self.answer(box, word.upper(), rest, can_tls=context is not None))

    def answer(self, box: Box, word: str, rest: str, *, can_tls: bool) -> str:
        if word == "EHLO":
            offers = ["DSN", *(["STARTTLS"] if can_tls and not self.secure else []), *(["AUTH PLAIN"] if self.secure else [])]
            return "\r\n".join(["250-here", *(f"250-{one}" for one in offers[:-1]), f"250 {offers[-1]}"])
        if word == "AUTH":
            box.logins.append(base64.b64decode(rest.split()[1]).decode())
            return "235 in"
        if word in {"MAIL", "RCPT"}:
            address = re.search("<(.*?)>", rest)
            box.envelopes.append(rest)
            return box.refuses.get(address[1] if address else "", "250 fine")
        return "250 fine"

    def reply(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
        self.wfile.flush()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    box: Box
    context: ssl.SSLContext | None = None


@contextmanager
def mail_server(folder: Path | None = None, *, at_once: bool = False) -> Iterator[Box]:
    """A running server; with ``folder``, in which its certificate is put, it can TLS, and with ``at_once`` it begins with it."""
    box = Box()
    with _Server((LOOPBACK, 0), _Handler, bind_and_activate=True) as server:
        server.box = box
        box.port = server.server_address[1]
        if folder is not None:
            box.certificate = _certificate(folder)
            server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.context.load_cert_chain(box.certificate)
            if at_once:
                server.socket = server.context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path
