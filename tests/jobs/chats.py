"""Rows of the best known formats, for tests of `--on`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.jobs import runs
from tests.jobs.runs import Row
from thresher_jobs.explain import explain
from thresher_jobs.verify import verify

QUESTION = "Which grain do brewers steep and dry to make malt?"


OTHER = "How far above the sea does the last tree stand here?"


def alpaca(prompt: str | None, answer: str | None, **more: Any) -> Row:
    return {"instruction": prompt, "input": "", "output": answer, **more}


def sharegpt(*turns: str) -> Row:
    names = ("human", "gpt")
    return {"conversations": [{"from": names[i % 2], "value": t} for i, t in enumerate(turns)]}


def messages(*turns: str | None) -> Row:
    names = ("user", "assistant")
    return {"messages": [{"role": names[i % 2], "content": t} for i, t in enumerate(turns)]}


def preference(prompt: str, chosen: str, rejected: str) -> Row:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def checked(out: Path) -> None:
    """Verify a result, and explain each of its rows."""
    assert len(list(verify(str(out)))) == 3
    for line in runs.rows_of(out, "ledger"):
        assert list(explain(str(out), line["_row_id"]))
