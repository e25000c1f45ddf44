"""The one text of a JSON value, whichever of the two writers wrote it, is RFC 8785's."""

from __future__ import annotations

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import BadProof
from expunge.evidence.canonical import canonical
from expunge.terms import Json

LEAVES = st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | st.text(st.characters(exclude_categories=()))
NAMES = st.text(st.characters(max_codepoint=127)) | st.text(st.sampled_from("aZ\ue000\U0001f600\ud800"))
VALUES: st.SearchStrategy[Json] = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=12)


@given(VALUES)
@settings(deadline=None, max_examples=500)
def test_it_is_what_rfc8785_writes(value: Json) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        expected = None
    try:
        written = canonical(value)
    except BadProof:
        written = None
    assert written == expected
