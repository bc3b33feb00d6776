"""That kernels are being compiled is told, once, and only where they are."""

from __future__ import annotations

from typing import Any

import numba

from thresher_jobs.compiling import Compiling


def test_compiling_that_takes_long_is_told_once() -> None:
    njit: Any = numba.njit
    told: list[str] = []
    compiling = Compiling(told.append, patience_s=0.0)
    compiling.listen()
    try:
        assert njit(lambda x: x + 1)(1) == 2
        assert njit(lambda x: x + 2)(1) == 3
    finally:
        compiling.close()
    assert len(told) == 1 and told[0].startswith("compiling kernels, once a machine")


def test_what_is_compiled_in_a_moment_is_not_told() -> None:
    njit: Any = numba.njit
    told: list[str] = []
    compiling = Compiling(told.append)
    compiling.listen()
    try:
        assert njit(lambda x: x + 3)(1) == 4
    finally:
        compiling.close()
    assert told == []
