"""Arrays that every worker reads: written once, mapped from disk without a copy."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from thresher.store import Store

Column = np.ndarray[Any, Any]


def keep_arrays(store: Store, folder: str, arrays: Mapping[str, Column]) -> None:
    """Write arrays under `folder`, which names their content; what is there already stays."""
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        store.put_if_absent(f"{folder}/{name}.npy", buffer.getvalue())


def map_arrays(store: Store, folder: str) -> dict[str, Column]:
    """Return the arrays that `keep_arrays` wrote, read-only."""
    found = {}
    for name in store.names(folder):
        if name.endswith(".npy"):
            key = name.rsplit("/", 1)[-1].removesuffix(".npy")
            found[key] = np.load(store.path(name), mmap_mode="r", allow_pickle=False)
    return found
