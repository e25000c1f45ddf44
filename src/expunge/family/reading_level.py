"""How hard a text is to read: the Flesch-Kincaid grade level.

Kincaid, Fishburne, Rogers and Chissom, "Derivation of new readability formulas for Navy enlisted personnel" (Naval Technical Training
Command, Research Branch Report 8-75, 1975): 0.39 x words per sentence + 11.8 x syllables per word - 15.59. Syllables of English words are
counted by their vowel groups, which is within a few per cent of a dictionary's count on running text.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z]+(?:['\u2019-][A-Za-z]+)*|\d[\d.,]*")
_END = re.compile(r"[.!?]+(?:\s|$)")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?:[^laeiouy]es|[^aeiouytd]ed|[^laeiouy]e)$")
"""Endings that are written and not spoken: make, makes, used; not table, wanted."""


def grade(text: str) -> float:
    """The grade level (years of school in the United States) of a text of whole sentences; 0 if it has no word."""
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(1, len(_END.findall(text)))
    return 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def syllables(word: str) -> int:
    """How many syllables an English word has, about; a number counts as one for each two digits."""
    lower = word.lower()
    if lower[0].isdigit():
        return max(1, len(lower) // 2)
    groups = len(_VOWELS.findall(lower))
    return max(1, groups - (1 if groups > 1 and _SILENT.search(lower) else 0))
