"""Every environment variable that the program knows, as a table."""

from __future__ import annotations

from pathlib import Path

from expunge.runtime.settings import SETTINGS

SOURCE = Path(__file__).parents[1] / "src/expunge"
READER = "Settings.read("


def settings() -> str:
    """The settings, in the order in which the program lists them, and whether a command or the library reads each."""
    texts = [path.read_text(encoding="utf-8") for room in ("app", "cli") for path in sorted((SOURCE / room).glob("*.py"))]
    lines = ["| Variable | Wants | For | Read |", "|---|---|---|---|"]
    for one in SETTINGS:
        read = any(one.name in text or READER in text for text in texts)
        lines.append(f"| `{one.name}` | {one.wants} | {one.tells} | {'yes' if read else 'not yet'} |")
    return "\n".join(lines) + "\n"
