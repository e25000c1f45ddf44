"""What is encoded in what is encoded, where one ends with the other, or with everything."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from expunge.hunt.pieces import Blob, Place
from expunge.hunt.prints import Role, Trace
from expunge.hunt.strings import Strings

MAIL = "anna.schmidt77@example.org"


def _percent(content: bytes) -> bytes:
    return b"".join(b"%%%02x" % one for one in content)


@pytest.mark.parametrize("outer", [base64.b64encode, lambda content: content.hex().encode(), _percent])
@pytest.mark.parametrize(
    "inner", [lambda text: text.encode("utf-16-le"), lambda text: text.encode().hex().encode(), lambda text: _percent(text.encode())]
)
@pytest.mark.parametrize("around", [(b'{"x": "', b'",'), (b"", b""), (b"x=", b"\n")])
def test_a_mail_address_within_two_encodings_is_found_at_the_very_end(
    outer: Callable[[bytes], bytes], inner: Callable[[str], bytes], around: tuple[bytes, bytes]
) -> None:
    family = Strings()
    matcher = family.matcher(list(family.take([Trace(0, Role.KEY, "app.people.email", "email", MAIL)])))
    content = around[0] + outer(inner(MAIL)) + around[1]
    seen = list(matcher.look(Blob(Place("share", "x"), 0, content)))
    assert seen, content
    assert all(one.offset is not None and one.offset + one.length <= len(content) for one in seen)
