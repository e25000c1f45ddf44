"""Sends what is due in the outbox: takes letters from the journal, fills in their texts, and hands them to the channel's transport.

The only place where letters, texts and transports meet. One worker at a time has a letter; what became of it is written before the next
is handed over. A channel that is away costs one attempt per round, not one per letter.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import SystemRandom

from expunge.app.library import Expunge
from expunge.errors import InvalidRequest, PolicyInvalid, UnknownRequest
from expunge.family.letters import render
from expunge.journal.backoff import backoff
from expunge.journal.letters import LetterNote, LetterState, Outgoing
from expunge.policy.model import Policy
from expunge.runtime.outbox import ADDRESS, Carried, Console, Mail, Result, Transport
from expunge.runtime.outbox_bounces import Report, reports
from expunge.runtime.outbox_folder import Folder
from expunge.runtime.outbox_smtp import Server, Smtp
from expunge.runtime.settings import Settings

AT_ONCE = 8
"""Letters taken together: what a worker that dies has in hand."""

LEASE = timedelta(minutes=45)
"""Longer than ``AT_ONCE`` letters take at a server that needs its five minutes for each (RFC 5321 4.5.3.2)."""

FIRST_WAIT = timedelta(minutes=30)
"""RFC 5321 4.5.4.1: a client waits at least 30 minutes before it tries a destination again."""
LONGEST_WAIT = timedelta(hours=4)
GIVE_UP_AFTER = timedelta(days=5)
"""RFC 5321 4.5.4.1: giving up takes at least four to five days."""

LATE = timedelta(days=1)
"""A letter that is due for longer opens an incident: somebody has to look at the post."""
OWNER = "privacy engineer"
CONTROL = "outbox:late"

_CODE = re.compile(r"[A-Za-z0-9.-]{1,32}")

Pause = Callable[[float], None]


@dataclass(slots=True)
class Post:
    """The transports of one process, each opened when its first letter goes. ``pause`` waits so many seconds."""

    policy: Policy
    settings: Settings
    library: Expunge
    pause: Pause = time.sleep
    _open: dict[str, Transport] = field(default_factory=dict[str, Transport])

    def transport(self, channel: str) -> Transport:
        """The transport of a channel: SMTP for ``email`` where a server is set, a folder or the console for all else.

        Raises:
            PolicyInvalid: the server's setting can't be read, or nobody can be the sender.
        """
        if channel not in self._open:
            self._open[channel] = self._made(channel)
        return self._open[channel]

    def close(self) -> None:
        """Close what was opened. Idempotent."""
        while self._open:
            self._open.popitem()[1].close()

    def _made(self, channel: str) -> Transport:
        now = self.library.rooms.clock.now
        if channel == "email" and self.settings.smtp:
            server = Server.of(self.settings.smtp, self.settings.smtp_password)
            sender = self._sender()
            if sender is None:
                raise PolicyInvalid("letters need a sender's address: controller.email or EXPUNGE_MAIL_FROM", where="controller")
            return Smtp(server, sender, now)
        if channel == "console" or self.settings.outbox == "console":
            return Console()
        place = Path(self.settings.outbox) if self.settings.outbox else self.policy.control.evidence.parent / "outbox"
        return Folder(place / channel, now, self._sender() if channel == "email" else None)

    def _sender(self) -> str | None:
        """The address that letters come from; a controller's contact may be something else."""
        sender = self.settings.mail_from or self.policy.controller.email or self.policy.controller.contact
        return sender if ADDRESS.fullmatch(sender) else None


def send_letters(
    library: Expunge, *, environment: Mapping[str, str] | None = None, lease: timedelta = LEASE, pause: Pause = time.sleep
) -> Counter[str]:
    """Send what is due, until nothing is or every channel is away; how many letters are now in which state.

    Raises:
        PolicyInvalid: a setting of the post can't be read.
    """
    settings = Settings.read(os.environ if environment is None else environment)
    post = Post(library.policy, settings, library, pause)
    if settings.smtp:
        post.transport("email")  # a setting that can't be read is said before a letter is taken
    done: Counter[str] = Counter()
    away: set[str] = set()
    try:
        while letters := library.rooms.journal.take_letters(AT_ONCE, lease):
            for letter in letters:
                done[_send(post, letter, away).value] += 1
            if away.issuperset(one.channel for one in letters):
                break
    finally:
        post.close()
    _tell_of_delay(library)
    return done


def _send(post: Post, letter: Outgoing, away: set[str]) -> LetterState:
    if letter.channel in away:
        carried = Carried(Result.AWAY, "channel-away")
    else:
        began = time.monotonic()
        carried = _carried(post, letter)
        if carried.result is Result.AWAY:
            away.add(letter.channel)
        elif carried.result is Result.TAKEN:
            post.pause(max(0.0, 60 / post.settings.mail_rate - (time.monotonic() - began)))
    return _settle(post, letter, carried)


def _carried(post: Post, letter: Outgoing) -> Carried:
    controller = post.policy.controller
    always = {"company": controller.name, "contact": controller.email or controller.contact}
    always |= {"address": controller.address or "", "phone": controller.phone or ""}
    try:
        text = render(letter.template, letter.fields, always, own_letters(post.policy))
    except InvalidRequest:
        return Carried(Result.NEVER, "unfit-template")
    return post.transport(letter.channel).carry(Mail(letter.id, letter.to.value, text.subject, text.body))


def _settle(post: Post, letter: Outgoing, carried: Carried) -> LetterState:
    journal, now = post.library.rooms.journal, post.library.rooms.clock.now()
    if carried.result is Result.AWAY or (carried.result is Result.LATER and now - letter.first_at < GIVE_UP_AFTER):
        wait = backoff(letter.attempt, FIRST_WAIT, LONGEST_WAIT, SystemRandom())
        journal.settle_letter(letter, LetterState.RETRY, fault=carried.fault, again=now + wait)
        return LetterState.RETRY
    refused = LetterState.BOUNCED if (carried.fault or "").startswith("smtp-5") or carried.fault == "bad-address" else LetterState.GIVEN_UP
    ends = {
        Result.TAKEN: LetterState.SENT,
        Result.ARRIVED: LetterState.DELIVERED,
        Result.NEVER: refused,
        Result.LATER: LetterState.GIVEN_UP,
    }
    state = ends[carried.result]
    journal.settle_letter(letter, state, fault=carried.fault)
    return state


def _tell_of_delay(library: Expunge) -> None:
    """An incident while a letter has been due for longer than ``LATE``; it closes when none is."""
    journal, now = library.rooms.journal, library.rooms.clock.now()
    oldest = journal.oldest_waiting_letter()
    if oldest is not None and oldest <= now - LATE:
        note = f"letters are due since {oldest.date().isoformat()} and could not be handed over"
        journal.open_incident("outbox", CONTROL, owner=OWNER, due=now + LATE, note=note)
    elif any(one.control == CONTROL for one in journal.incidents(open_only=True)):
        journal.passed(CONTROL)


def own_letters(policy: Policy) -> Path | None:
    """The folder of the maker's own texts, if the policy names one."""
    return policy.folder / policy.notices.letters if policy.notices.letters else None


def read_bounces(library: Expunge, mailbox: Path) -> Counter[str]:
    """Note what the reports in a mailbox (an mbox, one message, or a folder of them) say; how many letters bounced, arrived, are unknown.

    Raises:
        InvalidRequest: the mailbox can't be read.
    """
    try:
        found = list(reports(mailbox))
    except OSError as fault:
        raise InvalidRequest(f"the mailbox can't be read: {os.strerror(fault.errno or 0)}", where=str(mailbox)) from None
    return _note_reports(library, found)


def _note_reports(library: Expunge, found: Iterable[Report]) -> Counter[str]:
    journal, told = library.rooms.journal, Counter[str]()
    for report in found:
        try:
            if report.action == "failed":
                told["bounced"] += journal.letter_bounced(report.letter, f"dsn-{report.status or '5'}")
            elif report.action == "delivered":
                told["delivered"] += journal.letter_arrived(report.letter)
        except UnknownRequest:
            told["unknown"] += 1
    return told


def bounce(library: Expunge, letter_id: str, code: str) -> bool:
    """Note by hand that a letter came back; whether that changed anything.

    Raises:
        UnknownRequest: there is no such letter.
        InvalidRequest: the code is not one: a text may name the person.
    """
    if not _CODE.fullmatch(code):
        raise InvalidRequest("a code is letters, digits, dots and dashes, at most 32 of them")
    return library.rooms.journal.letter_bounced(letter_id, code)


def recent(library: Expunge, campaign: str | None = None) -> list[LetterNote]:
    """The latest letters (of a campaign), the newest first."""
    return library.rooms.journal.letters(campaign=campaign)
