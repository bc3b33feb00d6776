"""Rows that were searched for items of benchmarks: what lies between the search and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from thresher.leaks.indexed import Indexed
from thresher.leaks.presets import Preset
from thresher.planning import Plan
from thresher.stage import Receipt
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.leak_items import ReadBenchmark


@dataclass(frozen=True)
class Searched:
    """What is known once all rows are searched.

    Args:
        params: What was asked for.
        benchmarks: What was searched for.
        indexed: Its index.
        presets: The rules, by benchmark.
        plan: What was read.
        read: The search stage's receipts.
        formats: By file name, the formats found.
        unread: Columns that were not searched, since no format knows them.
    """

    params: DecontaminateParams
    benchmarks: Sequence[ReadBenchmark]
    indexed: Indexed
    presets: tuple[Preset, ...]
    plan: Plan
    read: Sequence[Receipt]
    formats: dict[str, list[str]]
    unread: tuple[str, ...]
