"""The audio exception: a clip with a child's voice, let through for one request before any parent was asked, and gone at once.

16 CFR 312.5(c)(9): an operator may collect an audio file containing a child's voice, and no other personal information, for use in
responding to the child's specific request, if it uses it for no other purpose, does not disclose it, and deletes it immediately. So
nothing but the clip goes in, nothing but the words of a response comes out, and between the two it lies in one piece of memory that is
overwritten when the responder returns, whatever it returns with. A responder that holds on to it is refused. What it copies elsewhere
this process cannot see: give it to one that has nowhere to put it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from expunge.errors import InvalidRequest

Respond: TypeAlias = Callable[[memoryview], str]
"""Hears the clip, and gives the words of the response. It may not keep the view, or a part of it, beyond its return."""

LONGEST = 16 * 1024 * 1024
"""Bytes: five minutes of 16-bit sound at 24 kHz. A longer clip is no request."""


def pass_through(clip: bytearray, respond: Respond) -> str:
    """Let ``clip`` be heard once; the response. The caller's bytes are overwritten and emptied before this returns or raises.

    Raises:
        InvalidRequest: the clip is empty or too long to be a request, was kept by the responder, or is what it answered with.
    """
    try:
        if not 0 < len(clip) <= LONGEST:
            raise InvalidRequest(f"a request's clip has 1 to {LONGEST:,} bytes")
        with memoryview(clip) as whole, whole.toreadonly() as view:
            response = respond(view)
        if not isinstance(response, str):
            raise InvalidRequest("the response to a clip is words: no bytes of it may leave")
        return response
    finally:
        _forget(clip)


def _forget(clip: bytearray) -> None:
    """Overwrite, then empty.

    Raises:
        InvalidRequest: somebody still has a view of it, which shows zeros by now.
    """
    clip[:] = bytes(len(clip))
    try:
        clip.clear()
    except BufferError:
        raise InvalidRequest("the clip was kept by the responder; it is overwritten, and the response is refused") from None
