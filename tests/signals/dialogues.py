"""Rows for the tests of conversations, read as the product reads them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tests.formats.batches import Row, batch
from thresher.formats.catalogue import FORMATS
from thresher.formats.rows import Rows
from thresher.signals.chat import chat_signals
from thresher.signals.preference import preference_signals
from thresher.signals.unpaired import unpaired_signals

Figures = dict[str, pa.Array]


def chat(*turns: tuple[str, str | None], **columns: Any) -> Row:
    """Return a row in OpenAI's form."""
    messages = [{"role": role, "content": text} for role, text in turns]
    return {"messages": messages, **columns}


def asked(answer: str | None, prompt: str = "What is it?") -> Row:
    """Return a row of one question and one answer."""
    return chat(("user", prompt), ("assistant", answer))


def pair(
    chosen: str, rejected: str, prompt: str = "What is the answer to it?", **extra: Any
) -> Row:
    """Return a preference."""
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **extra}


def read(name: str, *rows: Row) -> Rows:
    """Read rows of a format, faulty ones too."""
    return FORMATS[name].read_all(batch(*rows)).rows


def figures(rows: Rows) -> Figures:
    """Return all figures of rows."""
    return chat_signals(rows) | preference_signals(rows) | unpaired_signals(rows)


def values(name: str, signal: str, *rows: Row) -> list[Any]:
    """Return one figure of some rows of a format."""
    found: list[Any] = figures(read(name, *rows))[signal].to_pylist()
    return found


def of_answers(signal: str, *answers: str | None) -> list[Any]:
    """Return one figure of rows with these answers."""
    return values("messages", signal, *(asked(answer) for answer in answers))
