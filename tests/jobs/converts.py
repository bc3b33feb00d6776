"""Running `convert` in tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.run import Run
from thresher.stage import Engine
from thresher.store import Store
from thresher_jobs.convert import convert
from thresher_jobs.convert_params import ConvertParams

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHARE = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]


def run(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    engine: Engine | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Run the job and return its report."""
    addresses = [inputs] if isinstance(inputs, str | Path) else inputs
    prepared = Run(Store(str(Path(out).absolute())), engine or LocalEngine(1))
    return convert(
        [str(a) for a in addresses],
        str(out),
        ConvertParams(**params),
        EngineOptions(),
        run=prepared,
    )


def facts(report: dict[str, Any]) -> dict[str, Any]:
    """Return what the report says about the conversion."""
    value: dict[str, Any] = report["plan"]["conversion"]
    return value
