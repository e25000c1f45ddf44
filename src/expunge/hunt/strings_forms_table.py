"""Identifiers that are known by their words: a group's strong ones by their rarest word, weak ones by their first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from expunge.hunt.strings_fields import context_words
from expunge.hunt.strings_keys import Keys
from expunge.hunt.strings_layout import CONTEXT
from expunge.hunt.strings_needles import Arrays, hash_all_words


@dataclass(frozen=True, slots=True, repr=False)
class Forms:
    """Keys for the tables of anchors and of weak identifiers, and the words of all forms, of which form f's begin at ``first[f]``."""

    anchor_keys: Keys
    anchor_values: npt.NDArray[np.int64]
    weak_keys: Keys
    weak_values: npt.NDArray[np.int64]
    first: npt.NDArray[np.int32]
    words: Keys

    @classmethod
    def of(cls, page: Arrays) -> Forms:
        """Of merged pages."""
        strong = len(page["form_print"])
        words = np.concatenate([page["form_word"], page["weak_word"]])
        behind = np.concatenate([page["form_behind"], page["weak_behind"] + (page["form_behind"][-1] if strong else 0)])
        first = np.concatenate([[0], behind]).astype(np.int32)
        _, inverse, counts = np.unique(page["form_word"], return_inverse=True, return_counts=True)
        rarest = _rarest(first[: strong + 1], counts[inverse] if strong else np.empty(0, np.int64))
        context, _, _ = hash_all_words([word.encode() for word in context_words(page["weak_labels"].tolist())])
        at = np.minimum(rarest - first[:strong], 255)
        return cls(
            np.concatenate([words[rarest], context]),
            np.concatenate([np.arange(strong) << 8 | at, np.full(len(context), CONTEXT << 8)]),
            words[first[strong:-1]],
            np.arange(strong, len(first) - 1),
            first,
            words,
        )


def _rarest(first: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Of each run of places the one with the lowest count."""
    owner = np.repeat(np.arange(len(first) - 1), np.diff(first))
    order = np.lexsort((np.arange(len(counts)), counts, owner))
    return order[first[:-1]] if len(counts) else np.empty(0, np.int64)
