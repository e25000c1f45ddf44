"""One version of an object in S3 as a stream, through ranged requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from expunge.errors import Conflict
from expunge.stores.objects_s3_faults import GONE, code_of, faults
from expunge.stores.scan_streams import Positioned

FIRST = 1 << 20
"""Bytes of the first range, and of one after a seek: about what a round trip costs in time on a fast line."""

MOST = 64 << 20
"""Bytes that a range grows to while the object is read in order: a request's cost is nothing beside it."""

NEAR = 512 << 10
"""A seek forward up to this is read over: asking anew would take longer."""

AHEAD = 256 << 10
"""Bytes buffered for who asks for less."""

TRIES = 3
"""How often a range is asked for when the line breaks in its midst; the SDK itself only tries again before the first byte."""

_CHANGED = GONE | {"InvalidRange", "416"}


class S3Object(Positioned):
    """A version of an object. ``asked`` are the arguments of ``GetObject`` that name it and pin its content."""

    def __init__(self, client: Any, asked: Mapping[str, str], size: int, where: str) -> None:
        """Ask for the first range at once, so that what is gone or refused is known.

        Raises:
            Conflict, Refused, Unavailable: as the service says.
        """
        super().__init__(size)
        self._client = client
        self._asked = asked
        self._where = where
        self._body: Any = None
        self._next, self._end = 0, 0  # what of the object the open range still has
        self._step = FIRST
        self._small: bytes | None = None  # the whole content of what one range holds: readers come back to its beginning again and again
        if size:
            with self._told():
                self._ask(0, FIRST)

    def _get(self, start: int, into: memoryview) -> int:
        if self.size <= FIRST:
            self._small = self._whole() if self._small is None else self._small
            got = self._small[start : start + len(into)]
            into[: len(got)] = got
            return len(got)
        return self._some(start, into)

    def _whole(self) -> bytes:
        content = bytearray(self.size)
        view, done = memoryview(content), 0
        while done < self.size:
            done += self._some(done, view[done:])
        self._drop()
        return bytes(content)

    def _some(self, start: int, into: memoryview) -> int:
        with self._told():
            for tries_left in reversed(range(TRIES)):
                try:
                    return self._read(start, into)
                except BotoCoreError:
                    self._drop()
                    if not tries_left:
                        raise
        raise AssertionError

    def _read(self, start: int, into: memoryview) -> int:
        if start != self._next:
            self._move(start)
        if self._next >= self._end:
            self._ask(start, max(self._step, len(into)))
            self._step = min(self._step * 2, MOST)
        got = self._take(min(len(into), self._end - self._next))
        into[: len(got)] = got
        return len(got)

    def _take(self, count: int) -> bytes:
        got: bytes = self._body.read(count)
        if not got:
            raise self._changed()
        self._next += len(got)
        return got

    def _move(self, start: int) -> None:
        """Read over what lies between, or forget the range."""
        if self._next <= start <= min(self._next + NEAR, self._end - 1):
            self._over(start)
        else:
            self._drop()
            self._step = FIRST

    def _over(self, start: int) -> None:
        while self._next < start:
            self._take(min(NEAR, start - self._next))

    def _ask(self, start: int, length: int) -> None:
        end = min(start + length, self.size)
        answer = self._client.get_object(**self._asked, Range=f"bytes={start}-{end - 1}")
        self._body = answer["Body"]
        if "ContentRange" in answer:
            self._next, self._end = start, end
        else:  # some services know no ranges, or none of older versions, and answer with the whole
            self._next, self._end = 0, self.size
            self._over(start)

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body, self._next, self._end = None, 0, 0

    @contextmanager
    def _told(self) -> Iterator[None]:
        with faults(self._where, "s3:GetObjectVersion"):
            try:
                yield
            except ClientError as fault:
                if code_of(fault) in _CHANGED:
                    raise self._changed() from None
                raise

    def _changed(self) -> Conflict:
        return Conflict("an object is gone or was changed since it was listed", where=self._where)

    def close(self) -> None:
        """Close the connection's answer."""
        if not self.closed:
            self._drop()
        super().close()
