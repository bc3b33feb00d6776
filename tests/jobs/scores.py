"""Running `score` and `select` in tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions
from thresher.run import Listener, Run
from thresher.stage import Engine
from thresher.store import Store
from thresher_jobs.score import score
from thresher_jobs.score_params import ScoreParams
from thresher_jobs.selection import SelectParams, select


def run(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    engine: Engine | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Score rows and return the report."""
    addresses = [inputs] if isinstance(inputs, str | Path) else inputs
    return score(
        [str(a) for a in addresses],
        str(out),
        ScoreParams(**params),
        EngineOptions(),
        run=prepared(out, engine),
    )


def again(
    scored: str | Path, out: str | Path, *, engine: Engine | None = None, **params: Any
) -> dict[str, Any]:
    """Select among scored rows and return the report."""
    return select(
        str(scored), str(out), SelectParams(**params), EngineOptions(), run=prepared(out, engine)
    )


def prepared(out: str | Path, engine: Engine | None, listener: Listener | None = None) -> Run:
    """Return a run over a folder, with one local worker unless told otherwise."""
    return Run(Store(str(Path(out).absolute())), engine or LocalEngine(1), listener)


def profile(path: Path, text: str) -> str:
    """Write a profile and return its path."""
    path.write_text(text)
    return str(path)


def chat(prompt: str, answer: str | None, **more: Any) -> dict[str, Any]:
    """Return a row of one question and one answer."""
    return {
        "messages": [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": answer},
        ],
        **more,
    }
