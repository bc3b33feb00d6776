"""The rows on either side of a rule's threshold that are closest to it.

The order is total: by distance, then by the row's position in the input. So the few closest rows of
all the data are among the closest rows of each part, and it does not matter how the data was cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.text.kernel import kernel

Column = np.ndarray[Any, Any]
Names = Callable[[Column], "pa.Array"]

CLOSEST = 3
SHOWN_CHARACTERS = 600


class Example(NamedTuple):
    """A row near a threshold; `value` is null where the row failed for having none."""

    distance: float
    position: int
    id: str
    value: bool | int | float | str | None
    text: str


class Block(NamedTuple):
    """What examples are taken from.

    Args:
        positions: (R,) int64: sorting by it is sorting by place in the input; no two are equal.
        names: Gives the row ids of a few rows, by their numbers in the block.
        texts: R texts, of which the beginning is shown.
    """

    positions: Column
    names: Names
    texts: pa.Array


class Nearest:
    """Keeps the closest rows that a rule took, and the closest that it let pass."""

    def __init__(self, low: float | None, high: float | None) -> None:
        self._low = math.nan if low is None else float(low)
        self._high = math.nan if high is None else float(high)
        self.sides: tuple[list[Example], list[Example]] = ([], [])  # taken, passed

    def add(
        self, numbers: Column, column: pa.Array, fired: Column, judged: Column, block: Block
    ) -> None:
        """Take the closest rows of a block.

        Args:
            numbers: (R,) float64 values; anything for a rule without a threshold.
            column: The values as the signal has them.
            fired: (R,) bool.
            judged: (R,) bool: the value is not null.
            block: The rows.
        """
        distances = np.full((2, CLOSEST), np.inf)
        positions = np.full((2, CLOSEST), np.iinfo(np.int64).max)
        places = np.full((2, CLOSEST), -1)
        for side, examples in enumerate(self.sides):
            for slot, example in enumerate(examples):
                distances[side, slot] = example.distance
                positions[side, slot] = example.position
                places[side, slot] = -2 - slot
        _closest(
            numbers,
            fired,
            judged,
            block.positions,
            self._low,
            self._high,
            distances,
            positions,
            places,
        )
        if (places >= 0).any():
            self.sides = (
                self._renewed(0, places[0], distances[0], column, block),
                self._renewed(1, places[1], distances[1], column, block),
            )

    def _renewed(
        self, side: int, places: Column, distances: Column, column: pa.Array, block: Block
    ) -> list[Example]:
        new = places[places >= 0]
        ids = iter(block.names(new).to_pylist())
        values = iter(_shown(value) for value in column.take(pa.array(new)).to_pylist())
        texts = iter(_beginnings(block.texts, new))
        return [
            Example(
                float(distance),
                int(block.positions[place]),
                str(next(ids)),
                next(values),
                next(texts),
            )
            if place >= 0
            else self.sides[side][-2 - int(place)]
            for place, distance in zip(places, distances, strict=True)
            if place != -1
        ]

    def merge(self, other: Nearest) -> None:
        """Keep the closest of both."""
        self.sides = (
            sorted(self.sides[0] + other.sides[0])[:CLOSEST],
            sorted(self.sides[1] + other.sides[1])[:CLOSEST],
        )

    def to_json(self) -> list[list[list[Any]]]:
        """Return both sides' rows as lists."""
        return [[list(example) for example in side] for side in self.sides]

    def load(self, facts: list[list[list[Any]]]) -> None:
        """Take the rows that `to_json` returned."""
        taken, passed = ([Example(*example) for example in side] for side in facts)
        self.sides = (taken, passed)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value[:SHOWN_CHARACTERS]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has none
    return value


def _beginnings(texts: pa.Array, places: Column) -> list[str]:
    chosen = pc.fill_null(texts.take(pa.array(places)), "")
    shown: list[str] = pc.utf8_slice_codeunits(chosen, 0, SHOWN_CHARACTERS).to_pylist()
    return shown


@kernel
def _closest(
    values_R: Column,
    fired_R: Column,
    judged_R: Column,
    positions_R: Column,
    low: float,
    high: float,
    distances: Column,
    positions: Column,
    places: Column,
) -> None:
    last = distances.shape[1] - 1
    for row in range(len(positions_R)):
        side = 0 if fired_R[row] else 1
        if judged_R[row] and values_R[row] == values_R[row]:
            below, above = abs(values_R[row] - low), abs(values_R[row] - high)
            distance = 0.0
            if below == below:
                distance = below
            if above == above and (below != below or above < below):
                distance = above
            distance = min(distance, 1.7976931348623157e308)
        elif side == 0:  # it failed for having no value: behind all others
            distance = 1.7976931348623157e308
        else:
            continue
        position = positions_R[row]
        if distance > distances[side, last] or (
            distance == distances[side, last] and position > positions[side, last]
        ):
            continue
        slot = last
        while slot > 0 and (
            distance < distances[side, slot - 1]
            or (distance == distances[side, slot - 1] and position < positions[side, slot - 1])
        ):
            distances[side, slot] = distances[side, slot - 1]
            positions[side, slot] = positions[side, slot - 1]
            places[side, slot] = places[side, slot - 1]
            slot -= 1
        distances[side, slot] = distance
        positions[side, slot] = position
        places[side, slot] = row
