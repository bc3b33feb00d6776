"""The figures of signals and rules in a night: those of known tasks are kept as one sum a source.

Figures add up, but nothing can be taken from a sum: where a task of it is gone or came out anew,
all tasks of the source are added up again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from thresher.planning import Plan
from thresher.signals.figures import Figures
from thresher.stage import Receipt
from thresher.steps.sifting import SiftStep, merged_figures
from thresher.store import Store
from thresher_jobs.memory import Memory

NAME = "figures"
SUMS = pa.schema(
    [
        ("source", pa.string()),
        ("keys", pa.list_(pa.string())),  # of the tasks that are added up
        ("figures", pa.string()),  # as JSON
    ]
)


def tell_figures(
    store: Store,
    step: str,
    how: SiftStep,
    plan: Plan,
    told: Sequence[Receipt],
    keys: Sequence[str],
    memory: Memory,
) -> dict[int, Figures]:
    """Return the figures of all tasks by source, and keep them for the next night.

    Args:
        store: Where the figures of tasks lie.
        step: Name of the step.
        how: What figures count.
        plan: Its tasks and sources.
        told: By task, where its figures lie.
        keys: By task, what its parts are made of.
        memory: What is known of the night before.
    """
    sources = [task.payload.source for task in plan.tasks]
    names = [source.name for source in plan.inputs.sources]
    places: dict[tuple[str, str], int] = {
        (names[source], key): place
        for place, (source, key) in enumerate(zip(sources, keys, strict=True))
    }
    known: dict[int, Figures] = {}
    left = set(range(len(keys)))
    past = memory.table(step, NAME)
    for line in [] if past is None else past.to_pylist():
        of_tasks = [(line["source"], key) for key in line["keys"]]
        if places.keys() >= set(of_tasks):
            number = names.index(line["source"])
            known[number] = Figures.from_json(how.signals, how.facts(), json.loads(line["figures"]))
            left -= {places[task] for task in of_tasks}
    rest = sorted(left)
    merged = merged_figures(
        store, how, [told[place] for place in rest], [sources[place] for place in rest], known
    )
    lines = [
        {
            "source": names[number],
            "keys": [key for source, key in zip(sources, keys, strict=True) if source == number],
            "figures": json.dumps(figures.to_json()),
        }
        for number, figures in sorted(merged.items())
    ]
    memory.keep(step, NAME, pa.Table.from_pylist(lines, schema=SUMS))
    return merged
