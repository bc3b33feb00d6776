"""The semi-join finds the known rows that screening would join with a new one, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transforms.crowds import Column, Crowd, families
from tests.transforms.test_screen import shown
from thresher.transforms.clusters import Threshold
from thresher.transforms.newcomers import meets, newcomers
from thresher.transforms.screen import screen

THRESHOLD = Threshold(7, 10)


def joined_in_pairs(crowd: Crowd, pictures: Column, new: Column, known: Column) -> list[bool]:
    """Say for each known row whether screening joins it with a new one when both are alone."""
    found = []
    for row in known.tolist():
        pairs = [np.array([row, other]) for other in new.tolist()]
        roots = [
            screen(crowd.keys[p], pictures[p], crowd.sizes[p], THRESHOLD)[0].tolist() for p in pairs
        ]
        found.append([0, 0] in roots)
    return found


@pytest.mark.parametrize("bits", [7, 512])
def test_a_row_is_hit_when_screening_would_join_it_with_a_new_one(bits: int) -> None:
    hits = 0
    for seed in range(15):
        crowd = families(seed)
        pictures = shown(crowd, bits)
        rng = np.random.default_rng(seed)
        new = np.flatnonzero(rng.random(len(crowd.sets)) < 0.2)
        known = np.setdiff1d(np.arange(len(crowd.sets)), new)
        table = newcomers(crowd.keys[new], pictures[new], crowd.sizes[new])
        hit = meets(table, known, crowd.keys, pictures, crowd.sizes, THRESHOLD)
        assert hit.tolist() == joined_in_pairs(crowd, pictures, new, known)
        hits += int(hit.sum())
    assert hits > 20


def test_no_new_rows_hit_nothing() -> None:
    crowd = families(1)
    pictures = shown(crowd)
    nothing = np.zeros(0, np.int64)
    table = newcomers(crowd.keys[nothing], pictures[nothing], crowd.sizes[nothing])
    rows = np.arange(len(crowd.sets))
    assert not meets(table, rows, crowd.keys, pictures, crowd.sizes, THRESHOLD).any()
