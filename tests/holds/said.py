"""What a test gets that runs commands in its own process."""

from __future__ import annotations

from collections.abc import Callable

from tests.erase.toy import Said

Command = Callable[..., Said]
