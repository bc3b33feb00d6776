"""Measure conversion between formats on one core, beside pyarrow's copy and plain Python.

    python benchmarks/conversion.py [--mb N] [--repeats N] [--check]

Made-up conversations in every common format are converted to what trainers read. A figure is
megabytes (10^6 bytes of text as UTF-8) a second of processor time, the best of the repeats; rounds
visit all contestants in turn.

* `convert`: Arrow rows in, Arrow rows out, with detection done, as a worker does it.
* `detect`: every format that the columns allow is tried on every row.
* `pyarrow_copy`: read the same rows from a Parquet file and write them again, pyarrow's defaults.
* `python`: the same conversion by a loop over dictionaries, as scripts do it.

`--check` exits with 1 where the aim is missed. Writes `results/conversion.json`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from thresher.formats.conversion import Conversion, convert
from thresher.formats.detection import gather
from thresher.testing.corpus import prose

AIM = 50.0  # MB/s a core
Row = dict[str, Any]
MakeRow = Callable[[list[str]], Row]

MAKERS: dict[str, MakeRow] = {
    "alpaca": lambda t: {"instruction": t[0], "input": t[1], "output": t[2]},
    "sharegpt": lambda t: {
        "conversations": [
            {"from": "human" if i % 2 == 0 else "gpt", "value": text} for i, text in enumerate(t)
        ]
    },
    "messages": lambda t: {
        "messages": [
            {"role": "user" if i % 2 == 0 else "assistant", "content": text}
            for i, text in enumerate(t)
        ]
    },
    "preference": lambda t: {"prompt": t[0], "chosen": t[1], "rejected": t[2]},
}
PAIRS = (
    ("alpaca", "messages"),
    ("alpaca", "sharegpt"),
    ("sharegpt", "messages"),
    ("messages", "sharegpt"),
    ("messages", "alpaca"),
    ("preference", "preference-chat"),
    ("preference", "kto"),
)


def rows_of(name: str, num_bytes: int) -> pa.RecordBatch:
    """Make rows of a format: turns of 10 to 180 words."""
    documents = prose(num_bytes // 500, seed=7)
    texts = [text for batch in documents for text in batch.column("text").to_pylist()]
    turns = [" ".join(text.split()[: 10 + 17 * i % 170]) for i, text in enumerate(texts)]
    per_row = 2 if name == "messages" else 3 if name != "sharegpt" else 4
    groups = [turns[i : i + per_row] for i in range(0, len(turns) - per_row, per_row)]
    return pa.RecordBatch.from_pylist([MAKERS[name](group) for group in groups])


def text_bytes(column: pa.Array) -> int:
    """Count bytes of text, however deep it lies."""
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return text_bytes(column.flatten())
    if pa.types.is_struct(kind):
        return sum(text_bytes(column.field(i)) for i in range(kind.num_fields))
    return int(pc.sum(pc.binary_length(column)).as_py() or 0)


def python_loop(name: str, target: str, rows: list[Row]) -> list[Row]:
    """Convert as a script does."""
    roles = {"human": "user", "gpt": "assistant", "user": "human", "assistant": "gpt"}
    made = []
    for row in rows:
        if name == "alpaca":
            asked = f"{row['instruction']}\n{row['input']}" if row["input"] else row["instruction"]
            turns = [("user", asked), ("assistant", row["output"])]
        elif name == "sharegpt":
            turns = [(roles[t["from"]], t["value"]) for t in row["conversations"]]
        elif name == "messages":
            turns = [(t["role"], t["content"]) for t in row["messages"]]
        else:
            made += [
                {"prompt": row["prompt"], "completion": row[s]} for s in ("chosen", "rejected")
            ]
            continue
        if target == "messages":
            made.append({"messages": [{"role": r, "content": c} for r, c in turns]})
        elif target == "sharegpt":
            made.append({"conversations": [{"from": roles[r], "value": c} for r, c in turns]})
        else:
            made.append({"instruction": turns[0][1], "input": "", "output": turns[1][1]})
    return made


def contestants(name: str, target: str, batch: pa.RecordBatch, folder: Path) -> dict[str, Any]:
    """Return what is timed, by name."""
    how = Conversion((name,), target)
    file = folder / f"{name}.parquet"
    pq.write_table(pa.Table.from_batches([batch]), file)

    def copy() -> None:
        pq.write_table(pq.read_table(file, use_threads=False), folder / "copy.parquet")

    def loop() -> None:
        rows = python_loop(name, target, batch.to_pylist())
        pa.RecordBatch.from_pylist(rows)

    return {
        "convert": lambda: convert(batch, how),
        "detect": lambda: gather(batch),
        "pyarrow_copy": copy,
        "python": loop,
    }


def measure(options: argparse.Namespace, name: str, target: str, folder: Path) -> dict[str, Any]:
    """Time one pair of formats."""
    batch = rows_of(name, options.mb * 1_000_000)
    size = sum(text_bytes(column) for column in batch.columns)
    runs = contestants(name, target, batch, folder)
    made = convert(batch, Conversion((name,), target))
    assert made.faults.good.all() and len(made.batch) >= len(batch)
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(options.repeats):
        for who, work in runs.items():
            begin = time.process_time()
            work()
            best[who] = min(best[who], time.process_time() - begin)
    speeds = {f"{who}_mb_s": size / 1e6 / seconds for who, seconds in best.items()}
    return {
        "from": name,
        "to": target,
        "rows": len(batch),
        "bytes_a_row": size / len(batch),
        **speeds,
        "times_copy": speeds["convert_mb_s"] / speeds["pyarrow_copy_mb_s"],
        "times_python": speeds["convert_mb_s"] / speeds["python_mb_s"],
    }


def main() -> None:
    """Measure all pairs, print a table and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=20, help="of text a format, about")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit 1 where the aim is missed")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory(prefix="thresher-conversion-") as name:
        results = [measure(options, *pair, Path(name)) for pair in PAIRS]
    machine.save("conversion", {"aim_mb_s": AIM, "results": results})
    columns = {"from": "from", "to": "to", "bytes a row": "bytes_a_row"}
    columns |= {who: f"{who}_mb_s" for who in ("convert", "detect", "pyarrow_copy", "python")}
    print(machine.table(columns | {"x copy": "times_copy", "x python": "times_python"}, results))
    if options.check and min(r["convert_mb_s"] for r in results) < AIM:
        sys.exit(1)


if __name__ == "__main__":
    main()
