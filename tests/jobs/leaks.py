"""Running `decontaminate` in tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.run import Listener, Run
from thresher.stage import Engine
from thresher.store import Store
from thresher_jobs.decontaminate import decontaminate
from thresher_jobs.decontaminate_params import DecontaminateParams


def run(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *against: str | Path,
    engine: Engine | None = None,
    listener: Listener | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Search rows for benchmarks and return the report."""
    addresses = [inputs] if isinstance(inputs, str | Path) else inputs
    return decontaminate(
        [str(a) for a in addresses],
        str(out),
        DecontaminateParams(against=tuple(str(a) for a in against), **params),
        EngineOptions(),
        run=Run(Store(str(Path(out).absolute())), engine or LocalEngine(1), listener),
    )
