"""Reads a policy and its datasets, whole or not at all.

Order: the files' form, the environment, the models, what the entries say of each other. Every problem of every step is collected, and
they are raised at once; a ``Policy`` that is returned has none but warnings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rfc8785
from pydantic import ValidationError

from expunge.errors import PolicyInvalid
from expunge.policy.annotations import AnnotatedDataset
from expunge.policy.catalog import Catalog, Problem, StoreNote, SubjectKind
from expunge.policy.dataset_checks import check_datasets
from expunge.policy.dataset_files import DatasetFile
from expunge.policy.declared import Declared, declared
from expunge.policy.environment import fill
from expunge.policy.family import family_of
from expunge.policy.model import Access, BlastRadius, Children, Control, Controller, Hunt, HuntPlace, Policy, Purpose, Term
from expunge.policy.notes import notes
from expunge.policy.options import passed_on, placed
from expunge.policy.policy_checks import check_policy
from expunge.policy.publishing import claims_of, notices_of, recipients_of
from expunge.policy.reading import Document, PathTo, dotted, read
from expunge.policy.retention_model import Retention
from expunge.policy.windows import hold_rules_of, undo_of
from expunge.policy.wording import worded
from expunge.policy.written import Written
from expunge.terms import Json

BESIDE = ".expunge"
"""The folder beside the policy in which Expunge keeps its state unless ``control`` says otherwise."""

_FOLLOWING = frozenset({"dangling", "nobody-found", "nothing-declared"})
"""What would be said of everything that a dataset file declares, when that file can't be read."""

Read = list[tuple[DatasetFile, PathTo, AnnotatedDataset]]


def load(path: Path, env: Mapping[str, str]) -> Policy:
    """The policy in ``path`` with the datasets that it lists; ``env`` fills in ``${NAME}``.

    Raises:
        PolicyInvalid: with every problem, one a line, in ``.problems`` too.
    """
    document, problems = read(path, str(path))
    if document is None:
        raise _refused(problems)
    files, unread = _dataset_files(document, path)
    content, unfilled = fill(document, env)
    problems += [*unread, *unfilled]
    written = _policy_model(document, content, problems)
    datasets = _dataset_models(files, problems)
    names = declared(document, files)
    found = [*check_policy(names), *check_datasets(names, files)]
    mute = unread or not all(list(file.datasets()) for file in files)
    problems += [one for one in found if not (mute and one.code in _FOLLOWING)]
    told = _told(problems, [document.file, *(file.document.file for file in files)])
    if written is None or any(one.severity == "error" for one in told):
        raise _refused(told)
    return _policy(path.parent, document, written, datasets, names, told)


def _refused(problems: Sequence[Problem]) -> PolicyInvalid:
    """Errors only: warnings are of use once the policy loads."""
    errors = [one for one in problems if one.severity == "error"]
    return PolicyInvalid("\n".join(str(one) for one in errors), problems=errors)


def _told(problems: Sequence[Problem], files: Sequence[str]) -> list[Problem]:
    """Each once, in the order of the files: two checks may stumble over the same value."""
    told: dict[tuple[object, ...], Problem] = {}
    for one in problems:
        about_value = one.code in {"wrong-type", "wrong-value", "yaml-trap", "unknown-key"}
        told.setdefault((one.mark, one.path) if about_value else (one.mark, one.path, one.message), one)
    order = {file: place for place, file in enumerate(files)}
    return sorted(told.values(), key=lambda one: _place(one, order))


def _place(problem: Problem, order: Mapping[str, int]) -> tuple[int, int, int]:
    mark = problem.mark
    return (order.get(mark.file, len(order)), mark.line, mark.column) if mark else (-1, 0, 0)


def _dataset_files(policy: Document, path: Path) -> tuple[list[DatasetFile], list[Problem]]:
    files: list[DatasetFile] = []
    problems: list[Problem] = []
    listed = {name: place for place, name in reversed(list(policy.texts("stores", "*", "datasets"))) if "${" not in name}
    for name, place in reversed(listed.items()):
        file = path.parent / name
        if not file.is_file():
            message = f"there is no file {name} beside the policy"
            problems.append(Problem("unreadable", dotted(place), message, "", policy.mark(place)))
            continue
        document, found = read(file, str(file))
        problems += found
        if document:
            files.append(DatasetFile(str(place[1]), document))
    return files, problems


def _policy_model(document: Document, content: Mapping[str, Json], problems: list[Problem]) -> Written | None:
    try:
        return Written.model_validate(content)
    except ValidationError as fault:
        problems += worded(fault, Written, document)
        return None


def _dataset_models(files: Sequence[DatasetFile], problems: list[Problem]) -> Read:
    models: Read = []
    for file in files:
        for dataset in file.datasets():
            try:
                models.append((file, dataset, AnnotatedDataset.model_validate(file.document.at(dataset))))
            except ValidationError as fault:
                problems += worded(fault, AnnotatedDataset, file.document, dataset)
    return models


def _policy(folder: Path, document: Document, written: Written, datasets: Read, names: Declared, warnings: Sequence[Problem]) -> Policy:
    radius, own = written.blast_radius, written.controller
    return Policy(
        controller=Controller(own.name, own.contact, own.address, own.phone, own.email),
        catalog=_catalog(folder, document, written, datasets, names),
        control=_control(folder, written),
        digest=_digest(document, datasets),
        folder=folder,
        purposes={name: Purpose(name, one.use, one.basis, document.mark(("purposes", name))) for name, one in written.purposes.items()},
        terms=_terms(document, written),
        children=_children(document, written),
        retention=_retention(document, written),
        undo=undo_of(written.undo),
        holds=hold_rules_of(written.holds),
        access=_access(document, written),
        blast_radius=BlastRadius(radius.subjects) if radius.share is None else BlastRadius(radius.subjects, radius.share),
        hunt=_hunt(folder, document, written),
        categories=tuple(written.categories),
        warnings=tuple(warnings),
        recipients=recipients_of(document, written.recipients),
        claims=claims_of(document, written.claims),
        notices=notices_of(written.notices),
        family=family_of(document, written.family),
    )


def _catalog(folder: Path, document: Document, written: Written, datasets: Read, names: Declared) -> Catalog:
    return Catalog(
        kinds={
            name: SubjectKind(
                name, one.key, tuple(one.identities), one.member_of, one.minor, one.guardian, document.mark(("subjects", name))
            )
            for name, one in written.subjects.items()
        },
        stores={
            name: StoreNote(name, one.kind, passed_on(one, folder), one.history_clears_in, document.mark(("stores", name)))
            for name, one in written.stores.items()
        },
        collections={note.address: note for file, dataset, model in datasets for note in notes(file, dataset, model, names)},
    )


def _control(folder: Path, written: Written) -> Control:
    own, beside = written.control, folder.absolute() / BESIDE
    return Control(
        journal=placed(own.journal or f"sqlite:///{beside / 'journal.db'}", folder),
        keys=placed(own.keys or f"sqlite:///{beside / 'keys.db'}", folder),
        roots=Path(placed(own.roots or str(beside / "roots"), folder)),
        evidence=Path(placed(own.evidence or str(beside / "evidence"), folder)),
    )


def _terms(document: Document, written: Written) -> tuple[Term, ...]:
    return tuple(
        Term(one.of, one.category, one.purpose, one.keep, one.since, one.need, document.mark(("terms", index)))
        for index, one in enumerate(written.terms)
    )


def _children(document: Document, written: Written) -> Children | None:
    own = written.children
    mark = document.mark(("children",))
    return Children(own.idle_after, own.notice, own.erase_within, tuple(own.used_by), mark) if own else None


def _retention(document: Document, written: Written) -> Retention | None:
    own = written.retention
    return Retention(own.sweep, tuple(own.choices), own.breaker, document.mark(("retention",))) if own else None


def _access(document: Document, written: Written) -> dict[str, Access]:
    return {
        role: Access(role, tuple(one.may), tuple(one.what), one.condition, one.clips, one.minutes, document.mark(("access", role)))
        for role, one in written.access.items()
    }


def _hunt(folder: Path, document: Document, written: Written) -> Hunt | None:
    own = written.hunt
    if own is None:
        return None
    places = {
        name: HuntPlace(
            name, placed(one.url, folder), one.model_dump(exclude={"url"}, exclude_none=True), document.mark(("hunt", "places", name))
        )
        for name, one in own.places.items()
    }
    return Hunt(places, own.owner, own.within, own.rate, own.nice)


def _digest(document: Document, datasets: Read) -> str:
    """Over the policy and, in the order listed, each dataset file with the store that lists it; as written."""
    files = {file.document.file: file for file, _, _ in datasets}
    whole: Any = {"policy": document.content, "datasets": [{"store": one.store, "content": one.document.content} for one in files.values()]}
    return hashlib.sha256(rfc8785.dumps(whole)).hexdigest()
