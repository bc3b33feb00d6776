"""Measure nights of `thresher rebuild`: what changes, against all of it.

    python benchmarks/nights.py [--recipe plain|whole] [--against NAME=FILE ...] [--rows N]
                                [--file-rows N] [--words N] [--workers N] [--keep DIR]
                                [--check] [--save]

A seeded corpus (prose, Parquet files) is built in full, then night by night: a file of 1 % is
added, one is deleted, one is changed, nothing is. A tenth of the rows are near copies and a
twentieth are exact ones, of any row before: so a file that goes changes what becomes of about nine
rows in nearly every other file, and the parts of all of these are written again. Every night is a
process of its own, timed from its start to its exit. Two recipes: `plain` finds copies and scores;
`whole`, what people run, searches for the items of the evaluation files of `--against` in between
(as prose is made of random words, none is found). Beside the time of each stand what it read of
the input text (the first pass, the writing of rows, and all else that reads text, counted as often
as it is read), the bytes of input files read for their hash alone, and the bytes of the index that
it read whole, mapped, and wrote. `--check` compares the last version with a run of the recipe from
the inputs and the ledger.

`--save` writes the figures into `results/nights.json`, by recipe and words, and leaves the others.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import machine
from corpora import generate

FOLDERS = ("data", "removed", "quarantine", "ledger")


def recipe(inputs: Path, against: Sequence[str]) -> str:
    """Return a recipe, as YAML; with evaluation files it searches for their items."""
    searched = [{"decontaminate": {"against": list(against)}}] if against else []
    steps = [{"dedup": {}}, *searched, {"score": {"profile": "web"}}]
    return json.dumps({"sources": [{"path": str(inputs)}], "text_column": "text", "steps": steps})


def thresher(*arguments: str | Path, workers: int) -> float:
    """Run a command; return the seconds it took."""
    script = "import sys; from thresher_jobs.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, *map(str, arguments), "--workers", str(workers)]
    # Python keeps what it compiles, as it does for everybody who does not forbid it.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begin = time.monotonic()
    subprocess.run([*command, "--quiet"], check=True, env=own)
    return time.monotonic() - begin


def night(folder: Path, what: str, workers: int) -> dict[str, Any]:
    """Rebuild, and return what it took."""
    from thresher.versions.history import open_history

    seconds = thresher("rebuild", *_rebuilt(folder), workers=workers)
    version = open_history(str(folder / "store")).resolve()
    cost = json.loads(version.read("night.json"))
    cost["stages"] = cost.pop("seconds")
    told = {"night": what, "seconds": round(seconds, 2), "version": version.number, **cost}
    told["text_share"] = sum(cost["text_bytes_read"].values()) / cost["text_bytes"]
    told["rows"] = version.manifest.rows
    print(f"{what}: {seconds:.1f} s, text {told['text_share']:.2%}", flush=True)
    return told


def _rebuilt(folder: Path) -> tuple[str | Path, ...]:
    return folder / "recipe.yaml", "--store", folder / "store"


def digests(folder: Path) -> dict[str, str]:
    """Return the hash of every part."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in FOLDERS
        for path in sorted((folder / name).glob("*.parquet"))
    }


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure all nights in a folder."""
    inputs, held = folder / "in", folder / "held"
    whole = options.rows + 2 * options.file_rows
    corpus = generate(inputs, "prose", whole, options.words, options.file_rows)
    files = sorted(inputs.iterdir())
    held.mkdir()
    added, other = (path.rename(held / path.name) for path in files[-2:])
    against = options.against if options.recipe == "whole" else []
    (folder / "recipe.yaml").write_text(recipe(inputs, against))
    nights = [night(folder, "first", options.workers)]
    added.rename(inputs / added.name)
    nights.append(night(folder, "add", options.workers))
    files[len(files) // 3].unlink()
    nights.append(night(folder, "delete", options.workers))
    other.replace(files[len(files) // 2])
    nights.append(night(folder, "change", options.workers))
    idle = thresher("rebuild", *_rebuilt(folder), workers=options.workers)
    same, run = from_scratch(folder, options.workers) if options.check else (None, None)
    for told in nights:
        told["time_share"] = told["seconds"] / nights[0]["seconds"]
    return {
        "recipe": options.recipe,
        "against": [name.partition("=")[0] for name in against],
        "rows": options.rows,
        "files": len(files) - 2,
        "text_bytes_a_row": round(corpus.text_bytes / corpus.rows),
        "file_bytes": corpus.file_bytes,
        "workers": options.workers,
        "nights": nights,
        "nothing_new_seconds": round(idle, 2),
        "run_from_scratch_seconds": run,
        "same_as_from_scratch": same,
    }


def from_scratch(folder: Path, workers: int) -> tuple[bool, float]:
    """Run the recipe over the inputs as they are, given the ledger of the version before the last
    and nothing else of it; say whether its parts are those of the last, and the seconds it took."""
    from thresher.engines.options import EngineOptions
    from thresher.store import Store
    from thresher.versions.history import open_history
    from thresher_jobs.arrival import Arriving
    from thresher_jobs.planting import Planter
    from thresher_jobs.recipe import load_recipe
    from thresher_jobs.run_recipe import run_recipe

    history = open_history(str(folder / "store"))
    last = history.resolve()
    split = last.manifest.settings["recipe"]["split_bytes"]
    recipe = load_recipe(str(folder / "recipe.yaml"), [f"split_bytes={split}"])
    arriving = Arriving(history.resolve(last.number - 1), last.number)
    planter = Planter(None, Store(str(folder / "fetched")), recipe.max_doc_bytes, arriving)
    begin = time.monotonic()
    run_recipe(recipe, str(folder / "out"), EngineOptions(workers=workers), planter=planter)
    seconds = time.monotonic() - begin
    kept = {n: f.sha256 for n, f in last.files.items() if n.partition("/")[0] in FOLDERS}
    return kept == digests(folder / "out"), round(seconds, 2)


def saved() -> dict[str, Any]:
    """Return the figures of earlier calls, by recipe and words."""
    path = machine.RESULTS / "nights.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {name: found[name] for name in found if "words" in name}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", choices=("plain", "whole"), default="plain")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="NAME=FILE", help="evaluation files, for whole"
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--file-rows", type=int, default=0, help="1 %% of the rows by default")
    parser.add_argument("--words", type=int, default=200, help="mean words of a document")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder to work in, which stays")
    parser.add_argument("--check", action="store_true", help="run from scratch, and compare")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    if (options.recipe == "whole") != bool(options.against):
        parser.error("--recipe whole wants --against, and --recipe plain has none")
    options.file_rows = options.file_rows or options.rows // 100
    if options.keep:
        options.keep.mkdir(parents=True)
        figures = measure(options.keep, options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), options)
    columns = {
        "night": "night",
        "seconds": "seconds",
        "of the first": "time_share",
        "text read": "text_share",
        "hashed": "input_bytes_hashed",
        "index read": "index_bytes_read",
        "mapped": "index_bytes_mapped",
        "written": "index_bytes_written",
        "tasks": "tasks",
        "read": "tasks_read",
        "rewritten": "tasks_written",
    }
    print(machine.table(columns, figures["nights"]))
    if options.check:
        print(f"from scratch {figures['run_from_scratch_seconds']} s")
        print(f"the same: {figures['same_as_from_scratch']}")
    if options.save:
        name = f"{options.recipe}, {options.words} words"
        print(machine.save("nights", saved() | {name: figures}))


if __name__ == "__main__":
    main()
