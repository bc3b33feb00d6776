"""What `dedup` compares: decided before the pass over the text, found again in a result.

With `on`, the formats of every file are kept in the manifest, so that `verify` and `explain` read
the text of a row as the job did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.planning import Plan, expecting_texts
from thresher.result import Line, Result
from thresher.run import Run
from thresher.steps.compared import Compared
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.detecting import peek_readable


def choose_compared(
    run: Run, plan: Plan, params: DedupParams
) -> tuple[Plan, Compared, dict[str, Any]]:
    """Find the formats of all files, where a part of the rows is compared.

    Returns:
        The plan without files that turned out to be unreadable, what is compared, and what the
        report says about it.

    Raises:
        InputError: A file has no format that is known.
        ConfigError: It may have one of several.
    """
    if params.on is None:
        plan = expecting_texts(plan, params.compared)
        return plan, Compared(columns=params.compared), {}
    plan, detected = peek_readable(run, plan, params)
    compared = Compared(
        on=params.on, formats={file: found.formats for file, found in detected.items()}
    )
    facts = {
        plan.inputs.files[file].name: {
            "formats": list(found.formats),
            "confidence": found.confidence,
        }
        for file, found in detected.items()
    }
    return plan, compared, {"compared": {"on": params.on, "detected": facts}}


class ResultTexts:
    """The compared text of rows of a result.

    Args:
        result: A result of `dedup`.
        params: Its parameters.
    """

    def __init__(self, result: Result, params: DedupParams) -> None:
        inputs = result.manifest["inputs"]
        self._result = result
        self._numbers = {stated["name"]: number for number, stated in enumerate(inputs)}
        formats = {number: tuple(stated.get("formats", ())) for number, stated in enumerate(inputs)}
        self._compared = Compared(
            columns=params.compared, on=params.on, formats=formats if params.on else {}
        )

    def of_removed(self, part: int, table: pa.Table) -> pa.Array:
        """Return the text of all rows of a part of removed/."""
        if self._compared.on is None:
            return self.of_rows(table, [])
        ledger = self._result.read("ledger", part, ["file", "verdict"]).to_pylist()
        files = [line["file"] for line in ledger if line["verdict"] == "removed"]
        return self.of_rows(table, files)

    def of_lines(self, lines: Sequence[Line]) -> pa.Array:
        """Return the text of kept or removed rows of one part and verdict."""
        folder = "data" if lines[0].verdict == "kept" else "removed"
        table = self._result.read(folder, lines[0].part)
        table = table.take(pa.array([line.place for line in lines]))
        return self.of_rows(table, [str(line.file) for line in lines])

    def of_line(self, line: Line) -> str:
        """Return the text of one kept or removed row; nothing where it has none."""
        return self.of_lines([line])[0].as_py() or ""

    def of_rows(self, table: pa.Table, files: Sequence[str]) -> pa.Array:
        """Return the text of rows, given the file of each; columns need no files."""
        batch = table.combine_chunks().to_batches()[0]
        if self._compared.on is None:
            return self._compared.texts(batch, 0, "the result").cast(pa.large_string())
        numbers = np.array([self._numbers[name] for name in files])
        parts, places = [], []
        for number in np.unique(numbers).tolist():
            mine = np.flatnonzero(numbers == number)
            places.append(mine)
            parts.append(self._compared.texts(batch.take(pa.array(mine)), number, "the result"))
        order = np.argsort(np.concatenate(places), kind="stable")
        return pa.concat_arrays(parts).take(pa.array(order)).cast(pa.large_string())
