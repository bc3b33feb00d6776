"""Signal files: one line an input row, as the scoring pass left them or as an earlier result holds
them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from thresher.parquet import read_table as read_parquet
from thresher.signals.prompts import SIGNALS as MET
from thresher.steps.attributes import attribute_name
from thresher.steps.outputs import part
from thresher.steps.spread import read_table
from thresher.store import Store

SIGNALS = "signals"
_MET = frozenset(signal.name for signal in MET)


@dataclass(frozen=True)
class Lines:
    """Where signals lie.

    Args:
        folder: The stage's folder, or None.
        result: Root of an earlier result that keeps its signals, or None.
    """

    folder: str | None = None
    result: str | None = None

    def load(self, store: Store, task: int) -> pa.Table:
        """Return one task's lines: error, perhaps id and keys, then the signals."""
        if self.folder is not None:
            return read_table(store, attribute_name(self.folder, task))
        assert self.result is not None
        table = read_parquet(str(Store(self.result).path(part(SIGNALS, task))))
        table = table.rename_columns(["id" if n == "_row_id" else n for n in table.column_names])
        return table.select([n for n in table.column_names if n not in _MET])
