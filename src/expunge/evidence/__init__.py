"""Evidence: a signed, append-only log of static files, receipts that a stranger checks offline, and the tombstones beside it.

``merkle`` and ``canonical`` are pure; ``notes`` and ``signing`` are C2SP signed notes; ``tiles`` is the C2SP tlog-tiles layout on disk;
``reading`` audits a log, ``log`` appends to it; ``receipts`` makes and checks receipts against a ``trust`` bundle; ``tombstones`` is
the register of what must not come back. What verifies needs only this room, ``errors``, ``terms``, cryptography and rfc8785.
"""
