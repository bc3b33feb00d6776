"""Running recipes in tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.jobs.scores import prepared
from thresher.engines.options import EngineOptions
from thresher.run import Listener
from thresher.stage import Engine
from thresher_jobs.recipe import load_recipe
from thresher_jobs.run_recipe import run_recipe

Steps = Sequence[dict[str, Any] | str]


def write(path: Path, sources: Sequence[Any], steps: Steps, **more: Any) -> Path:
    """Write a recipe."""
    said = [{"path": str(s)} if isinstance(s, str | Path) else s for s in sources]
    path.write_text(yaml.safe_dump({"sources": said, "steps": list(steps), **more}))
    return path


def run(
    recipe: Path,
    out: str | Path,
    *,
    engine: Engine | None = None,
    options: EngineOptions | None = None,
    only: Sequence[str] = (),
    settings: Sequence[str] = (),
    listener: Listener | None = None,
) -> dict[str, Any]:
    """Run a recipe and return the report."""
    return run_recipe(
        load_recipe(str(recipe), settings),
        str(out),
        options or EngineOptions(),
        only=only,
        run=prepared(out, engine, listener),
    )
