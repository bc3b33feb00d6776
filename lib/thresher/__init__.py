"""Thresher separates the grain from the chaff in training data.

`thresher.dedup(...)`, `thresher.run_recipe(...)` and the others of `__all__` are for notebooks; the
`thresher` command is for everything else. Importing this package loads no engine, no kernel and no
model: names are looked up on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from thresher_jobs.api import JobResult, convert, dedup, mix, run_recipe, score, split

__all__ = ["JobResult", "__version__", "convert", "dedup", "mix", "run_recipe", "score", "split"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in __all__:
        import thresher_jobs.api as api

        return getattr(api, name)
    raise AttributeError(f"module 'thresher' has no attribute {name!r}")
