"""A whole SFT recipe over every set at hand in one command: minutes, peak memory, beside a copy.

    python benchmarks/recipe.py --data DIR [--thresher COMMAND] [--cores 2]

DIR holds the sets named in SOURCES and the evaluation files in `evals/`. The recipe combines all
sources, removes copies and near copies, rows that hold a test item of any of the evaluation files,
and rows that the profile `sft` rejects, and writes one form. Beside it in the same run:

* `copy`: the same input files copied, byte for byte.
* `rewrite`: the same files read by pyarrow (one process a file kind) and written as Parquet, zstd.

Both are bounds from below: neither looks at a row. Writes results/recipe.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq
import yaml

from jobs import measure

SOURCES = {
    "alpaca52k": "alpaca52k",
    "alpaca_eval": "alpaca_eval",
    "codealpaca": "codealpaca",
    "roleplay": "gpteacher_roleplay",
    "toolformer": "gpteacher_toolformer",
    "demos": "llamafactory_demos/*demo*.jsonl",
    "hh": "hh_harmless",
    "ifeval_kto": "ifeval_kto",
    "gsm8k_solutions": "gsm8k_model_solutions",
    "sgd": "sgd_multiturn",
    "gsm8k_train": "contamination/gsm8k_train_alpaca_format.jsonl.gz",
}


def main() -> None:
    """Run the recipe and its yardsticks; print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--thresher", default=str(Path(sys.executable).with_name("thresher")))
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thresher-recipe-") as name:
        folder = Path(name)
        recipe = write_recipe(options.data.absolute(), folder / "recipe.yaml")
        files = inputs(options.data)
        out = folder / "out"
        command = [options.thresher, "run", str(recipe), "--out", str(out), "--quiet"]
        job = measure([*command, "--workers", str(options.cores)], options.cores)
        report = json.loads((out / "report.json").read_text())
        copied = timed(lambda: copy(files, folder / "copied"))
        written = timed(lambda: rewrite(files, folder / "rewritten"))
    flow = report["plan"]["flow"]
    found: dict[str, Any] = {
        "sources": len(SOURCES),
        "files": len(files),
        "file_mb": sum(file.stat().st_size for file in files) / 1e6,
        "rows_in": report["rows_in"],
        "rows_kept": report["rows_kept"],
        "left_out": {
            step: sum(source["left_out"][step] for source in flow["sources"])
            for step in flow["steps"]
        },
        "recipe_s": job.wall_s,
        "recipe_cpu_s": job.cpu_s,
        "cores": options.cores,
        "peak_gb": job.peak_bytes / 1e9,
        "copy_s": copied,
        "rewrite_s": written,
        "times_rewrite": job.wall_s / written,
        "stages_s": {stage["name"]: stage["seconds"] for stage in report["stages"]},
    }
    print(json.dumps(found, indent=1))
    machine.save("recipe", found)


def write_recipe(data: Path, path: Path) -> Path:
    """Write the recipe; return its path."""
    value = {
        "about": "All sets at hand, cleaned together.",
        "sources": [{"path": str(data / where), "name": name} for name, where in SOURCES.items()],
        "steps": [
            {"dedup": {"on": "conversation", "threshold": 0.8, "ngram": 3}},
            {"decontaminate": {"against": [str(data / "evals")]}},
            {"score": {"profile": "sft"}},
            {"convert": {"to": "messages"}},
        ],
    }
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    return path


def inputs(data: Path) -> list[Path]:
    """List the files that the recipe reads."""
    found: list[Path] = []
    for where in SOURCES.values():
        place = data / where
        found += sorted(place.iterdir()) if place.is_dir() else sorted(data.glob(where))
    return found


def timed(work: Any) -> float:
    """Return the seconds that a piece of work takes, the least of three."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def copy(files: list[Path], folder: Path) -> None:
    """Copy the files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, file in enumerate(files):
        shutil.copyfile(file, folder / f"{number}-{file.name}")


def rewrite(files: list[Path], folder: Path) -> None:
    """Read the files and write them as Parquet."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, file in enumerate(files):
        if file.suffix == ".parquet":
            table = pq.read_table(file)
        else:
            data = file.read_bytes()
            data = gzip.decompress(data) if file.suffix == ".gz" else data
            table = pj.read_json(
                pa.BufferReader(data), read_options=pj.ReadOptions(block_size=len(data) + 1)
            )
        pq.write_table(table, folder / f"{number}.parquet", compression="zstd")


if __name__ == "__main__":
    main()
