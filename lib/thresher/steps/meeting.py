"""Meeting: rows of one prompt come together, so that rules can look at all answers to it.

Only rows that no other rule removes take part: a broken answer is no rival of a good one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.signals.prompts import SIGNALS, compare, unpacked
from thresher.signals.rules import Rule, judge
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Alive
from thresher.steps.collapsing import part_name
from thresher.steps.scored import Lines
from thresher.steps.spread import concatenated, spread, write_table
from thresher.store import Store

Column = np.ndarray[Any, Any]
_MET = frozenset(signal.name for signal in SIGNALS)


def row_rules(rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules that need no other row."""
    return [rule for rule in rules if not _MET & {*rule.signals}]


def emit_prompts(
    source: Lines,
    rules: tuple[Rule, ...],
    partitions: int,
    alive: tuple[Alive, ...],
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit one line a row that is still in: keys, order and id.

    Args:
        source: Where the signals are.
        rules: The profile's rules.
        partitions: Partitions of the exchange.
        alive: Rows that one of these leaves out take no part.
    """
    table = source.load(store, task.index)
    values = {name: table.column(name) for name in table.column_names}
    removed = judge(row_rules(rules), values, len(table)).removed
    out = removed | np.asarray(pc.is_null(table.column("prompt_key")))
    for step in alive:
        out |= ~step.mask(store, task.index)
    rows = np.flatnonzero(~out)
    halves = {
        short: unpacked(table.column(name).take(pa.array(rows)).combine_chunks())
        for short, name in (("p", "prompt_key"), ("a", "answer_key"), ("r", "rejected_key"))
    }
    liked = pc.fill_null(table.column("liked").cast(pa.uint8()), 2).to_numpy()[rows]
    lines: dict[str, Column] = {
        f"{short}{half}": keys[:, half].copy() for short, keys in halves.items() for half in (0, 1)
    }
    lines |= {
        "liked": liked,
        "order": pc.fill_null(table.column("order"), 0).to_numpy()[rows],
        "source": np.full(len(rows), task.payload.source, np.uint32),
        "id": docid.pack(task.index, rows),
    }
    yield from spread(lines, lines["p0"], partitions)


def reduce_prompts(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Compare the answers of one partition's prompts."""
    lines = concatenated(batches)
    if not lines:
        return Receipt(task=partition)
    table = compare(lines)
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(table),
        rows_out=len(table),
        bytes_in=table.nbytes,
        files=(file,),
    )
