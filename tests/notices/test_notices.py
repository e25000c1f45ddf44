"""Notices from the policy: the golden texts, the law's parts, plain words, and what cannot be printed at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from expunge.errors import InvalidRequest, PolicyInvalid
from expunge.family.notice_kinds import make_notice
from expunge.family.notice_page import Format, plain, print_notice
from expunge.family.notices import KINDS, Held, Kind, Notice, held_by_kind, with_results
from expunge.family.reading_level import grade, syllables
from expunge.family.wording import CATEGORIES, USES, length, words_for
from expunge.policy.load import load
from expunge.policy.model import Policy
from expunge.policy.ownership import ownership
from expunge.policy.taxonomy import default_categories, default_uses
from expunge.program.controls import CONTROLS

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/vectors/notices"
GRADE = 8.9
"""About grade 8, as reading levels are counted: below the ninth year of school."""


@pytest.fixture(scope="module")
def home() -> Policy:
    return load(ROOT / "examples/home/expunge.yaml", {})


@pytest.fixture(scope="module")
def held(home: Policy) -> Mapping[str, tuple[Held, ...]]:
    return held_by_kind(home, ownership(home.catalog, {}))


@pytest.fixture(scope="module")
def notices(home: Policy, held: Mapping[str, tuple[Held, ...]]) -> dict[Kind, Notice]:
    return {kind: make_notice(kind, home, held) for kind in KINDS}


def steady(text: str) -> str:
    """Without the digests, which change with every line of the policy."""
    return re.sub(r"\b[0-9a-f]{16,64}\b", "DIGEST", text)


@pytest.mark.parametrize("as_", ["md", "html", "txt"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_golden_texts(notices: dict[Kind, Notice], kind: Kind, as_: Format) -> None:
    """After a change that is meant: ``python -m tests.notices.goldens``."""
    assert steady(print_notice(notices[kind], as_)) == (GOLDEN / f"{kind}.{as_}").read_text("utf-8")


def test_the_direct_notice_has_the_seven_parts_in_order(notices: dict[Kind, Notice]) -> None:
    sections = notices["direct"].sections
    assert [one.id for one in sections] == ["i", "ii", "iii", "iv", "v", "vi", "vii"]
    assert [one.law for one in sections] == [f"16 CFR 312.4(c)(1)({one.id})" for one in sections]
    assert all(list(one.every()) for one in sections)
    told = [" ".join(each.text for each in one.every()) for one in sections]
    for place, word in enumerate(
        ("contact details", "need your yes", "Our reason", "say no", "https://", "Start here", "delete your contact")
    ):
        assert word in told[place]


def test_the_online_notice_has_what_the_rule_asks_for(notices: dict[Kind, Notice], home: Policy) -> None:
    text = plain(notices["online"])
    own = home.controller
    assert own.address
    assert own.phone
    assert own.email
    for word in (own.name, own.address, own.phone, own.email, *(one.name for one in home.recipients.values())):
        assert word in text
    for term in home.terms:
        assert term.need[1:] in text, "the business need of each term"
    laws = " ".join(section.law for section in notices["online"].sections)
    for part in ("312.4(d)(1)", "312.4(d)(2)", "312.4(d)(3)", "312.4(d)(5)", "312.10", "312.5(a)(2)"):
        assert part in laws


def test_a_voice_that_is_not_kept_is_told_so(home: Policy) -> None:
    terms = tuple(
        replace(one, keep=timedelta(0)) if one.of == "child" and one.category == "user.biometric.voice" else one for one in home.terms
    )
    policy = replace(home, terms=terms)
    notice = make_notice("online", policy, held_by_kind(policy, ownership(policy.catalog, {})))
    (audio,) = [one for one in notice.sections if one.id == "audio"]
    assert audio.law == "16 CFR 312.4(d)(4)"
    assert "delete it at once" in next(audio.every()).text


@pytest.mark.parametrize("kind", KINDS)
def test_every_sentence_rests_on_a_control_and_has_a_name_of_its_own(notices: dict[Kind, Notice], kind: Kind) -> None:
    sentences = list(notices[kind].every())
    assert {one.claim.control for one in sentences} <= CONTROLS.keys()
    assert len({one.id for one in sentences}) == len(sentences)
    assert all(one.text[0].isupper() or one.text[0].isdigit() for one in sentences)
    assert all(one.text.endswith((".", "?")) for one in sentences)


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_of_fourteen_could_read_it(notices: dict[Kind, Notice], kind: Kind) -> None:
    assert 0 < grade(plain(notices[kind])) <= GRADE
    assert max(grade(one.text) for one in notices[kind].every()) < 14, "and no sentence by itself is for scholars"


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_is_printed(notices: dict[Kind, Notice], kind: Kind, home: Policy) -> None:
    shown = print_notice(notices[kind], "txt")
    assert not re.search(r"\b(user|system)\.[a-z_]+", shown)
    assert not [one for one in (*home.catalog.collections, *home.purposes) if re.search(rf"\b{re.escape(one)}\b.*_", shown)]
    assert "_" not in shown


def test_the_grade_is_kincaids() -> None:
    # Kincaid et al. 1975: one sentence of ten words of one syllable each is 0.39 x 10 + 11.8 - 15.59.
    assert grade("The cat sat on the mat and ate the fish.") == pytest.approx(0.39 * 10 + 11.8 - 15.59)
    assert grade("") == 0
    hard = "The aforementioned organisation's pseudonymisation methodology necessitates comprehensive authorisation procedures."
    assert grade(hard) > 20


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("a", 1),
        ("make", 1),
        ("makes", 1),
        ("table", 2),
        ("deleted", 3),
        ("used", 1),
        ("recordings", 3),
        ("family", 3),
        ("30", 1),
        ("2026", 2),
    ],
)
def test_syllables(word: str, count: int) -> None:
    assert syllables(word) == count


@given(st.text(max_size=300))
@settings(deadline=None, max_examples=100)
def test_any_text_has_a_grade(text: str) -> None:
    assert grade(text) == grade(text)


def test_every_category_and_use_has_plain_words() -> None:
    for category in default_categories():
        assert words_for(category, {}), category
        assert "." not in words_for(category, {})
    assert not [one for one in CATEGORIES if one not in default_categories()]
    assert not [one for one in USES if one not in default_uses()]
    assert words_for("user.biometric.voice.print", {}) == "voice recordings", "the nearest above"
    assert words_for("user.name", {"user.name": "nicknames"}) == "nicknames", "the maker's own words first"
    assert words_for("strange", {}) == "other facts about people"


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (1, "1 day"),
        (30, "30 days"),
        (90, "90 days"),
        (180, "6 months"),
        (365, "1 year"),
        (540, "18 months"),
        (730, "2 years"),
        (400, "400 days"),
    ],
)
def test_lengths(days: int, told: str) -> None:
    assert length(timedelta(days=days)) == told
    assert (length(timedelta(hours=1)), length(timedelta(minutes=90)), length(timedelta(hours=2))) == ("1 hour", "90 minutes", "2 hours")


def test_what_has_no_term_can_not_be_printed(home: Policy) -> None:
    terms = tuple(one for one in home.terms if (one.of, one.category) != ("child", "user.location"))
    policy = replace(home, terms=terms)
    with pytest.raises(PolicyInvalid, match=r"places\.yml:\d+:\d+: places\.locations.*no term covers") as refused:
        held_by_kind(policy, ownership(policy.catalog, {}))
    assert all("child" in str(one) for one in refused.value.problems)


def test_notices_for_one_kind_only(home: Policy, held: Mapping[str, tuple[Held, ...]]) -> None:
    child = make_notice("retention", home, held, "child")
    assert child.about == "child"
    assert "your home" not in "".join(one.title for one in child.sections)
    with pytest.raises(InvalidRequest, match="about a child"):
        make_notice("direct", home, held, "adult")
    with pytest.raises(InvalidRequest, match="child"):
        make_notice("online", home, held, "chld")


def test_without_children_there_is_no_direct_notice_and_nothing_is_said_of_parents(
    home: Policy, held: Mapping[str, tuple[Held, ...]]
) -> None:
    grown = {kind: one for kind, one in held.items() if kind != "child"}
    with pytest.raises(InvalidRequest):
        make_notice("direct", home, grown)
    text = plain(make_notice("online", home, grown))
    assert "parent" not in text
    assert "your child" not in text


def test_without_recipients_and_roles(home: Policy, held: Mapping[str, tuple[Held, ...]]) -> None:
    text = plain(make_notice("online", replace(home, recipients={}, access={}), held))
    assert "We share none of it with anybody outside." in text
    assert "No person at our company may look at what you record." in text
    told = make_notice("direct", replace(home, recipients={}), held)
    assert "answer our e-mail" in plain(told), "where nothing is disclosed, e-mail-plus may be used"
    assert "answer our e-mail" not in plain(make_notice("direct", home, held))


def test_a_changed_text_is_a_new_version_and_only_that(home: Policy, held: Mapping[str, tuple[Held, ...]]) -> None:
    one = make_notice("online", home, held)
    assert make_notice("online", replace(home, digest="other"), held).digest == one.digest, "the same words, told from another policy"
    assert make_notice("online", replace(home, controller=replace(home.controller, phone="+1 555")), held).digest != one.digest
    assert with_results(one, ["who"]).digest != one.digest


def test_a_sentence_that_does_not_hold_says_so(notices: dict[Kind, Notice]) -> None:
    marked = with_results(notices["retention"], ["keep.child.user.location.locate"])
    (one,) = [each for each in marked.every() if each.broken]
    assert one.text == "This does not hold now: We keep this for 90 days."
    assert f"**{one.text}**" in print_notice(marked, "md")
    assert 'class="broken"' in print_notice(marked, "html")


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_data(self, text: str) -> None:
        self.text += text


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_plain(notices: dict[Kind, Notice], kind: Kind) -> None:
    outline = _Outline()
    page = print_notice(notices[kind], "html")
    outline.feed(page)
    assert '<html lang="en">' in page
    assert not {"script", "img", "link", "iframe", "form", "table"} & set(outline.tags)
    assert outline.tags.count("h1") == 1
    assert len(set(outline.ids)) == len(outline.ids)
    assert {one[1:] for one in outline.links if one.startswith("#")} <= set(outline.ids)
    assert not [one for one in outline.links if not one.startswith(("#", "https://hearth.example/"))]
    headings = [int(tag[1]) for tag in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(headings)), "no level is skipped"


HOSTILE = '<script>alert(1)</script> *bold* [x](javascript:y) & "quoted" `code` _under_\n# title'


def test_what_a_policy_says_is_text_in_every_form(home: Policy, held: Mapping[str, tuple[Held, ...]]) -> None:
    policy = replace(home, controller=replace(home.controller, name=HOSTILE))
    notice = make_notice("online", policy, held)
    page, marked = _Outline(), _Outline()
    page.feed(print_notice(notice, "html"))
    assert "script" not in page.tags
    assert HOSTILE in page.text
    marked.feed(MarkdownIt().render(print_notice(notice, "md").partition("\n---\n")[2]))
    assert not {"script", "em", "code", "strong"} & set(marked.tags)
    assert not [one for one in marked.links if "javascript" in one]
