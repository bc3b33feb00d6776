"""`thresher verify` on a result of `score` or `select`: every verdict follows from the figures."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.result import Result
from thresher.signals.profile import Profile
from thresher.signals.rules import judge
from thresher.steps.scored import SIGNALS


def check_rules(result: Result) -> str:
    """Apply the rules to the figures once more and compare with the ledger; return a line.

    Raises:
        InputError: A row is kept that a rule removes, or the other way round.
    """
    profile = Profile.model_validate(result.manifest["profile"])
    annotated = result.manifest["params"]["annotate"]
    checked = 0
    for part in range(result.num_parts):
        figures = result.read(SIGNALS, part).combine_chunks()
        ledger = result.read("ledger", part, ["_row_id", "verdict", "reason"])
        if not ledger.column("_row_id").equals(figures.column("_row_id")):
            raise InputError(f"part {part}: signals are not those of the ledger's rows")
        values = {name: figures.column(name) for name in figures.column_names}
        removed = judge(list(profile.rules.values()), values, len(figures)).removed
        bad = np.asarray(pc.is_valid(figures.column("error")))
        said = ledger.column("reason" if annotated else "verdict")
        stated = np.asarray(pc.is_valid(said) if annotated else pc.equal(said, "removed"))
        wrong = np.flatnonzero((removed & ~bad) != stated)
        if len(wrong):
            row = ledger.column("_row_id").take(pa.array(wrong[:1])).to_pylist()[0]
            raise InputError(f"row {row}: its verdict does not follow from its figures")
        checked += len(figures)
    return f"rules       {checked:,} rows judged again by {len(profile.rules)} rules, as stated"
