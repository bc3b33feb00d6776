"""Thresher separates the grain from the chaff in training data.

`thresher.dedup(...)` is the notebook's way in; the `thresher` command is everybody else's.
Importing this package loads no
engine, no kernel and no model: names are looked up on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from thresher_jobs.api import DedupResult, dedup

__all__ = ["DedupResult", "__version__", "dedup"]


def __getattr__(name: str) -> Any:
    if name in ("dedup", "DedupResult"):
        import thresher_jobs.api as api

        return getattr(api, name)
    raise AttributeError(f"module 'thresher' has no attribute {name!r}")
