"""Printing and publishing notices: from the policy and the stores, each sentence held against its control before it is printed.

A published notice is kept by its version beside the evidence, in all its forms, and its version is in the signed log: what a parent was
told can be shown years later, and nobody can have told them something else. The same text published again is the same version.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from expunge.app.claims import check
from expunge.app.library import Expunge
from expunge.erase.context import look
from expunge.errors import ClaimBroken, InvalidRequest
from expunge.evidence.files import write_durably
from expunge.evidence.receipts import make_entry
from expunge.family.notice_kinds import make_notice
from expunge.family.notice_page import Format, print_notice
from expunge.family.notices import KINDS, Kind, Notice, held_by_kind, with_results
from expunge.policy.wording import advise
from expunge.program.claims import Checked
from expunge.program.findings import Verdict
from expunge.terms import Json, Scope

STATEMENT = "notice/1"
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True, slots=True)
class Printed:
    """A notice that may be shown, and what its sentences' controls found, in the notice's order."""

    notice: Notice
    checked: tuple[Checked, ...]

    @property
    def unchecked(self) -> int:
        """How many sentences nobody could check."""
        return sum(one.finding.verdict is Verdict.UNCHECKED for one in self.checked)

    def text(self, as_: Format) -> str:
        """The notice in a form."""
        return print_notice(self.notice, as_)


@dataclass(frozen=True, slots=True)
class Published:
    """A published version: its place in the log, and whether it is a new one. ``version`` is what a consent names."""

    kind: str
    about: str | None
    version: str
    log_index: int
    is_new: bool


def kind_of(text: str) -> Kind:
    """The notice that is meant.

    Raises:
        InvalidRequest: there is none of that name.
    """
    for one in KINDS:
        if one == text:
            return one
    raise InvalidRequest(f"there is no notice {text!r}; {advise(text, KINDS)}")


def draft(library: Expunge, kind: Kind, about: str | None = None) -> Notice:
    """The notice as the policy makes it, unchecked. A store that is away is taken as the policy declares it.

    Raises:
        PolicyInvalid: a field holds what no term covers, so that it has no purpose and no end.
        InvalidRequest: nothing is held of such a kind of subject.
        PolicyError: the policy and the stores don't fit.
    """
    held = held_by_kind(library.policy, look(library.rooms, Scope(), tolerate=True).held)
    return make_notice(kind, library.policy, held, about)


def printed(library: Expunge, kind: Kind, about: str | None = None, *, say_so: bool = False) -> Printed:
    """The notice, after every sentence's control was run; with ``say_so`` a sentence that does not hold says that itself.

    Raises:
        ClaimBroken: a sentence does not hold, and the notice would not say so.
        PolicyInvalid, InvalidRequest, PolicyError: as ``draft``.
    """
    notice = draft(library, kind, about)
    sentences = list(notice.every())
    checked = tuple(check(library, [one.claim for one in sentences]))
    broken = [(one.id, found) for one, found in zip(sentences, checked, strict=True) if found.is_broken]
    if broken and not say_so:
        raise _refused(kind, broken, len(sentences))
    return Printed(with_results(notice, [id_ for id_, _ in broken]), checked)


def _refused(kind: str, broken: Sequence[tuple[str, Checked]], total: int) -> ClaimBroken:
    lines = [
        f'  {id_}: "{one.claim.says}" ({one.claim.control}: {one.finding.evidence}'
        + (f"; {', '.join(one.finding.places[:5])})" if one.finding.places else ")")
        for id_, one in broken
    ]
    return ClaimBroken("\n".join([f"{len(broken)} of {total} sentences do not hold:", *lines]), where=f"notice {kind}")


def publish(library: Expunge, kind: Kind, about: str | None = None, *, say_so: bool = False) -> Published:
    """Print a notice and keep it by its version: the text in every form, and a signed statement in the evidence log.

    Raises:
        ClaimBroken, PolicyInvalid, InvalidRequest, PolicyError: as ``printed``; nothing was published.
        EvidenceError: the log can't be written.
    """
    found = printed(library, kind, about, say_so=say_so)
    notice = found.notice
    folder = library.policy.control.evidence / "notices"
    texts = folder / notice.digest
    for one in FORMATS:
        texts.mkdir(parents=True, exist_ok=True)
        write_durably({texts / f"{kind}.{one}": found.text(one).encode()})
    write_durably({texts / f"{kind}.json": json.dumps(notice.as_json(), ensure_ascii=False, indent=2).encode()})
    earlier = _logged(library, notice)
    if earlier is not None:
        return Published(kind, notice.about, notice.digest, earlier, is_new=False)
    rooms = library.rooms
    statement: dict[str, Json] = {
        "notice": kind,
        "for": notice.about,
        "version": notice.digest,
        "policy": notice.policy,
        "template": notice.template,
        "sentences": {"total": len(found.checked), "unchecked": found.unchecked, "broken": sum(one.broken for one in notice.every())},
        "at": rooms.clock.now().isoformat(timespec="seconds"),
    }
    index = rooms.log.append([make_entry(STATEMENT, statement, rooms.executor, rooms.verifier)]).start
    return Published(kind, notice.about, notice.digest, index, is_new=True)


def published(library: Expunge) -> list[Published]:
    """Every published version, oldest first, as the log has it."""
    found = []
    for index, raw in enumerate(library.rooms.log.entries()):
        entry = json.loads(raw)
        if entry.get("type") == STATEMENT:
            told = entry["statement"]
            found.append(Published(told["notice"], told["for"], told["version"], index, is_new=False))
    return found


def latest(library: Expunge, kind: Kind, about: str | None = None) -> Published:
    """The version of a notice that was published last: what a consent that is given now was given to.

    Raises:
        InvalidRequest: none was published.
    """
    found = [one for one in published(library) if one.kind == kind and about in (None, one.about)]
    if not found:
        raise InvalidRequest("no such notice was published yet; `expunge notice publish` does it", where=kind)
    return found[-1]


def write(found: Printed, as_: Format, folder: Path) -> Path:
    """Write a notice into a folder; the file. The same notice again is the same file.

    Raises:
        InvalidRequest: it can't be written.
    """
    name = f"{found.notice.kind}{f'-{found.notice.about}' if found.notice.about else ''}.{as_}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(found.text(as_), encoding="utf-8")
    except OSError as fault:
        raise InvalidRequest(f"the notice can't be written: {fault.strerror}", where=str(folder / name)) from None
    return folder / name


def _logged(library: Expunge, notice: Notice) -> int | None:
    """The place of this version in the log, if it is the latest of its kind: a text that comes back is published again."""
    same = [one for one in published(library) if (one.kind, one.about) == (notice.kind, notice.about)]
    return same[-1].log_index if same and same[-1].version == notice.digest else None
