"""Key templates: two readers that share no code agree, prefixes lose nothing, and overlap is never missed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.stores.templates import Template

FAST = settings(max_examples=300, deadline=None, derandomize=True, database=None)
TEXT = st.text("ab-/1.", max_size=4)
SLOTS = st.sampled_from(["{x}", "{y}", "{z}", "{n:int}", "{p:path}"])


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """A few slots with something between."""
    slots = draw(st.lists(SLOTS, min_size=1, max_size=3))
    between = [draw(st.text("ab-/1.", min_size=1, max_size=2)) for _ in slots[1:]]
    inner = "".join(slot + literal for slot, literal in zip(slots, [*between, ""], strict=True))
    return Template.parse(draw(TEXT) + inner + draw(TEXT))


@st.composite
def keys(draw: st.DrawFn, template: Template) -> str:
    """A key that looks like one of the template's: its slots filled, sometimes with what they don't take."""
    values = {field: draw(TEXT) for field in template.fields}
    return "".join(part if isinstance(part, str) else values[part.field] for part in template.parts)


@FAST
@given(templates(), st.data())
def test_both_readers_agree(template: Template, data: st.DataObject) -> None:
    key = data.draw(st.one_of(keys(template), TEXT))
    readings, spellings = list(template.readings(key)), list(template.spellings(key))
    assert sorted(map(repr, readings)) == sorted(map(repr, spellings))
    for reading in readings:
        assert "".join(part if isinstance(part, str) else reading[part.field] for part in template.parts) == key


@FAST
@given(templates(), st.data(), st.integers(1, 6))
def test_prefixes_lose_no_key(template: Template, data: st.DataObject, limit: int) -> None:
    key = data.draw(keys(template))
    for reading in template.readings(key):
        known = {field: {value, data.draw(TEXT)} for field, value in reading.items() if data.draw(st.booleans())}
        prefixes = template.prefixes(known, limit)
        assert sum(key.startswith(prefix) for prefix in prefixes) == 1
        assert len(prefixes) <= limit


@FAST
@given(templates(), templates(), st.data())
def test_overlap_is_never_missed(one: Template, two: Template, data: st.DataObject) -> None:
    key = data.draw(st.one_of(keys(one), keys(two)))
    if one.readings(key) and two.readings(key):
        assert one.meets(two)
    assert one.meets(two) == two.meets(one)


def test_templates_that_differ_do_not_meet() -> None:
    child, adult = Template.parse("voice/{house}/child-{id}/{clip}.wav"), Template.parse("voice/{house}/adult-{id}/{clip}.wav")
    assert not child.meets(adult)
    assert child.meets(child)
    assert not Template.parse("x/{id:int}").meets(Template.parse("x/{id:uuid}"))
    assert not Template.parse("thumbs/{id}.jpg").meets(Template.parse("clips/{id}.jpg"))


def test_prefixes_are_narrow_where_few_are_known() -> None:
    template = Template.parse("voice/{house}/{profile}/{clip}.wav")
    assert template.prefixes({"house": {"17"}}, 100) == ("voice/17/",)
    assert template.prefixes({"house": {"17", "18"}, "profile": {"1"}}, 100) == ("voice/17/1/", "voice/18/1/")
    assert template.prefixes({"profile": {"1"}}, 100) == ("voice/",)
    assert template.prefixes({"house": {str(number) for number in range(101)}}, 100) == ("voice/",)
    assert template.prefixes({"house": {"a/b"}}, 100) == ()
    assert Template.narrowest(["a", "ab", "b"]) == ("a", "b")


def test_one_field_twice_is_one_value() -> None:
    template = Template.parse("{id}/thumb-{id}.jpg")
    assert template.readings("7/thumb-7.jpg") == ({"id": "7"},)
    assert template.readings("7/thumb-8.jpg") == ()
    assert list(template.spellings("7/thumb-8.jpg")) == []
