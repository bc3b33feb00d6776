"""Bands: the keys under which similar texts meet.

A signature of P = B x R values is cut into B bands of R rows; two texts meet when one band is equal
in both. How many are wanted is in `banding`.

Shapes: D documents, P permutations, B bands, R rows a band.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.transforms.banding import MAX_PERMUTATIONS, Banding, choose_bands
from thresher.transforms.compiled import allocating

__all__ = ["MAX_PERMUTATIONS", "Banding", "band_keys", "choose_bands"]


@allocating
def band_keys(signatures_DP: np.ndarray[Any, Any], bands: int, rows: int) -> np.ndarray[Any, Any]:
    """Return the (D, B) uint64 keys of the bands; the band's number is part of the key."""
    num = signatures_DP.shape[0]
    keys_DB = np.empty((num, bands), dtype=np.uint64)
    for d in range(num):
        for b in range(bands):
            h = np.uint64(b + 1) * np.uint64(0x9E3779B97F4A7C15)
            for r in range(rows):
                h = (h ^ np.uint64(signatures_DP[d, b * rows + r])) * np.uint64(0xD6E8FEB86659FD93)
                h ^= h >> np.uint64(32)
            h *= np.uint64(0xFF51AFD7ED558CCD)
            h ^= h >> np.uint64(33)
            keys_DB[d, b] = h
    return keys_DB
