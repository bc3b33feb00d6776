"""Whether a result is all there, as far as names and sizes tell."""

from __future__ import annotations

from thresher.errors import StorageError
from thresher.store import Store


def is_whole(store: Store, manifest: str) -> bool:
    """Say whether every file of a result is there in its full size, and the report."""
    try:
        files = store.get_json(manifest)["files"]
        sizes = [store.path(n).stat().st_size == size for n, size, _ in files]
        return all(sizes) and "rows_in" in store.get_json("report.json")
    except (OSError, ValueError, KeyError, TypeError, StorageError):
        return False
