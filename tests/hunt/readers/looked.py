"""What the engine gives of some bytes, gathered by place: the tests' matcher."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from expunge.hunt.pieces import Account, Blob, Media, Place, Rows, Why
from expunge.hunt.reading import Limits
from expunge.hunt.unwrap import Ended, unwrap


class Pipe(io.BytesIO):
    """Bytes that can only be read once, as from a socket."""

    def seekable(self) -> bool:
        return False

    def seek(self, _offset: int, _whence: int = 0) -> int:
        raise io.UnsupportedOperation


@dataclass
class Looked:
    """Plain and opaque bytes by members (``a!b``), recordings, ends in order, and the account."""

    plain: dict[str, bytes] = field(default_factory=dict)
    opaque: dict[str, bytes] = field(default_factory=dict)
    media: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    ended: list[Place] = field(default_factory=list)
    account: Account = field(default_factory=Account)

    def told(self) -> dict[str, Why]:
        return {"!".join(one.place.members): one.why for one in self.account.unread}

    def everything(self) -> bytes:
        return b"\n".join(self.plain.values())


def look(content: bytes, name: str = "file", *, limits: Limits | None = None, pipe: bool = False) -> Looked:
    """Unwrap and check what holds for every stream: windows follow each other, and each place ends once, after its last piece."""
    looked = Looked()
    file = Pipe(content) if pipe else io.BytesIO(content)
    ends: dict[Place, int] = {}
    for piece in unwrap(file, Place("store", name), size=len(content), limits=limits or Limits(), account=looked.account):
        key = "!".join(piece.place.members)
        if isinstance(piece, Ended):
            looked.ended.append(piece.place)
            ends.pop(piece.place, None)
        elif isinstance(piece, Blob):
            into = looked.opaque if piece.opaque else looked.plain
            assert piece.offset + piece.overlap == ends.get(piece.place, 0), "windows follow each other"
            ends[piece.place] = piece.offset + len(piece.data)
            into[key] = into.get(key, b"") + bytes(piece.data[piece.overlap :])
        elif isinstance(piece, Media):
            with piece.open() as handle:
                looked.media[key] = (piece.kind, handle.read())
        else:
            looked.rows.append(piece)
    assert not ends, "every place that gave windows has ended"
    return looked
