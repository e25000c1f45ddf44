"""Datasets as training frameworks ask for them: by place, or one after the other. Nothing of a framework is needed for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from expunge.errors_gate import RecordWithdrawn
from expunge.gate.tally import Reason

Sample = TypeVar("Sample")


class Passing(Generic[Sample]):
    """An iterable of the admitted samples: an iterable-style dataset. Every pass over it judges anew."""

    def __init__(self, samples: Iterable[Sample], pass_on: Callable[[Iterable[Sample]], Iterator[Sample]]) -> None:
        """Use ``Gate.records``."""
        self._samples = samples
        self._pass_on = pass_on

    def __iter__(self) -> Iterator[Sample]:
        """The admitted samples, in their order."""
        return self._pass_on(self._samples)


class AdmittedView:
    """The admitted samples of a map-style dataset, by place from 0. A sample is judged again when it is asked for."""

    def __init__(self, samples: Any, places: npt.NDArray[np.intp], again: Callable[[int], Reason]) -> None:
        """Use ``Gate.view``."""
        self._samples = samples
        self._places = places
        self._again = again

    def __len__(self) -> int:
        """How many were admitted when the view was made."""
        return len(self._places)

    def __getitem__(self, place: int) -> Any:
        """The sample.

        Raises:
            IndexError: there is no such place.
            RecordWithdrawn: its subject has been erased, or has withdrawn, since the view was made.
            GateError: no epoch can be relied on any more.
        """
        at = int(self._places[range(len(self))[place]])
        reason = self._again(at)
        if reason is not Reason.ADMITTED:
            raise RecordWithdrawn(f"the record is refused by now: {reason.value}")
        return self._samples[at]
