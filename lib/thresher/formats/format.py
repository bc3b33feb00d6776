"""What a format is: the columns it has, how rows are read from it and written to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import (
    children,
    column,
    is_list,
    is_string,
    nulls,
    parts_of,
    strings,
    truth,
)
from thresher.formats.messages import Dropped, spelling, system_of
from thresher.formats.rows import Faults, Kind, Read, Rows
from thresher.formats.turns import CALL, DEVELOPER, SYSTEM, join, turns_of

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Writing:
    """How rows are written.

    Args:
        present: What any row of the inputs holds, as `presence` names it: columns and message
            fields that no row fills are not written.
        message_fields: Message fields the consumer takes; all if None.
        reasoning: What the reasoning field is called.
        alternating: Refuse rows whose turns do not strictly alternate.
        system_column: Take a system prompt out of the messages, where the format has a column.
        omitted: Optional columns that the consumer does not look at: `system`, `history`.
    """

    present: frozenset[str] = frozenset()
    message_fields: frozenset[str] | None = None
    reasoning: str = "reasoning_content"
    alternating: bool = False
    system_column: bool = False
    omitted: frozenset[str] = frozenset()

    def fields(self) -> list[str]:
        """List the message fields to write, as `write_messages` takes them."""
        names = [n.removeprefix("message.") for n in self.present if n.startswith("message.")]
        wanted = sorted(n for n in names if self.message_fields is None or n in self.message_fields)
        chosen = []
        for name in wanted:
            if name == "reasoning":
                chosen.append(f"reasoning:{self.reasoning}")
            elif name == "tool_calls":
                chosen.append("tool_calls:id" if "tool_calls.id" in names else name)
            elif name in ("tool_call_id", "name", "train", "weight"):
                chosen.append(name)
        return chosen


@dataclass(frozen=True)
class Written:
    """Columns of the rows without a fault, the faults of all rows, and what was left out.

    Args:
        columns: By name, in order.
        faults: By row.
        lost: (R,) masks by what is lost.
    """

    columns: dict[str, pa.Array]
    faults: Faults
    lost: Dropped


@dataclass(frozen=True)
class Shape:
    """What a column must hold.

    Args:
        name: `text`, `label`, `texts`, `labels`, `pairs`, `answers`, `anything`, or `messages` and
            `message` with the spelling: `messages:from`.
    """

    name: str

    def fits(self, kind: pa.DataType) -> bool:
        """Tell whether a column of this type can hold it; nothing but nulls fits anything."""
        if pa.types.is_null(kind) or self.name == "anything":
            return True
        what, _, how = self.name.partition(":")
        if what in ("messages", "message"):
            known = (how or "role text value").split()
            return spelling(kind, single=what == "message") in known
        if what == "text":
            return is_string(kind)
        if what == "label":
            return not (is_list(kind) or bool(pa.types.is_struct(kind)))
        if not is_list(kind):
            return False
        inner = kind.value_type
        if what == "pairs":
            return bool(pa.types.is_null(inner)) or (is_list(inner) and is_string(inner.value_type))
        if what == "answers":
            return bool(pa.types.is_struct(inner)) and inner.get_field_index("answer") >= 0
        return is_string(inner) if what == "texts" else bool(not pa.types.is_struct(inner))


Reader = Callable[[pa.RecordBatch], Read]
Writer = Callable[[Rows, Writing], Written]


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        name: What `--format` and `--to` call it.
        kind: What its rows hold.
        about: One line for the help.
        required: Columns without which a file is not of this format.
        optional: Columns that belong to it when they are there.
        read: Makes canonical rows of a batch.
        write: Makes columns of canonical rows of the same kind.
    """

    name: str
    kind: Kind
    about: str
    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)
    read: Reader = field(repr=False, kw_only=True)
    write: Writer = field(repr=False, kw_only=True)

    def fits(self, schema: pa.Schema) -> bool:
        """Tell whether a batch of this schema may hold rows of the format."""
        found = False
        for name, shape in self.required.items():
            index = schema.get_field_index(name)
            if index < 0 or not shape.fits(schema.field(index).type):
                return False
            found |= not pa.types.is_null(schema.field(index).type)
        return found and self._optional_fit(schema)

    def _optional_fit(self, schema: pa.Schema) -> bool:
        return all(
            shape.fits(schema.field(name).type)
            for name, shape in self.optional.items()
            if schema.get_field_index(name) >= 0
        )

    def known(self, schema: pa.Schema) -> list[str]:
        """List the columns of a schema that belong to the format."""
        return [name for name in schema.names if name in self.required or name in self.optional]

    def read_all(self, batch: pa.RecordBatch) -> Read:
        """Read a batch, extra columns included."""
        made = self.read(batch)
        mine = {*self.required, *self.optional}
        extra = {n: batch.column(n) for n in batch.schema.names if n not in mine}
        return replace(made, rows=replace(made.rows, extra=extra))


def read_label(array: pa.Array, what: str, faults: Faults) -> tuple[pa.Array, Column]:
    """Read a label: true or false, 1 or 0, or these words as text; anything else is a fault.

    Returns:
        Booleans, and the mask of those that were spelled otherwise.
    """
    missing = nulls(array)
    faults.add(missing, f"column '{what}' is null")
    if pa.types.is_boolean(array.type):
        return array, np.zeros(len(array), bool)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.bool_()), missing
    if is_string(array.type):
        word = pc.utf8_lower(strings(array))
        yes, no = truth(pc.equal(word, "true")), truth(pc.equal(word, "false"))
    elif pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        yes, no = truth(pc.equal(array, 1)), truth(pc.equal(array, 0))
    else:
        yes = no = np.zeros(len(array), bool)
    for place in np.flatnonzero(~(yes | no | missing)).tolist():
        shown = str(array[place].as_py())[:40]
        faults.add(np.array([place]), f"label {shown} in '{what}' is neither true nor false")
    return pa.array(yes, mask=~(yes | no)), yes | no


def presence(rows: Rows) -> Counter[str]:
    """Count what rows hold: columns by name, message fields as `message.NAME`, turns beyond one
    pair as `history`, a leading system prompt as `system turn`."""
    held: Counter[str] = Counter()
    for name, values in rows.columns.items():
        filled = values if name != "system" else values.filter(_said(values))
        held[name] += len(filled) - filled.null_count
    for turns in rows.turns.values():
        for name, values in turns.fields.items():
            held[f"message.{name}"] += len(values) - values.null_count
        if "tool_calls" in turns.fields:
            ids = children(parts_of(turns.fields["tool_calls"])[1])["id"]
            held["message.tool_calls.id"] += len(ids) - ids.null_count
        held["message.tool_calls"] += int((turns.roles == CALL).sum())
        led = turns.first((SYSTEM, DEVELOPER))
        held["system turn"] += int(led.sum())
        held["history"] += int((turns.lengths - led > 2).sum())
    return +held


def _said(system: pa.Array) -> pa.Array:
    """Mark system prompts that say something; null where there is none."""
    return pc.greater(pc.binary_length(system), 0)


def with_system(rows: Rows, name: str, lost: Dropped) -> Rows:
    """Put a system prompt that stands in a column in front of the messages `name`."""
    values = rows.columns.get("system")
    if values is None or values.null_count == len(values):
        return rows
    turns = rows.turns[name]
    there = truth(_said(values))
    twice = there & turns.first((SYSTEM, DEVELOPER))
    if twice.any():
        lost["system prompt"] = lost.get("system prompt", np.zeros(len(rows), bool)) | twice
    head = turns_of(values, SYSTEM, there & ~twice)
    columns = {key: value for key, value in rows.columns.items() if key != "system"}
    counts = columns.get("num_prompt")
    if counts is not None:
        columns["num_prompt"] = pc.add(counts, pa.array(head.lengths, pa.int32()))
    return rows.replaced(turns={**rows.turns, name: join([head, turns])}, columns=columns)


def lifted_system(rows: Rows, name: str) -> tuple[pa.Array, Rows]:
    """Take the system prompt out of its column or out of the messages `name`."""
    found, rest = system_of(rows.turns[name])
    values = rows.columns.get("system")
    prompt = found if values is None else pc.coalesce(found, values)
    return prompt, rows.replaced(turns={**rows.turns, name: rest})


def texts_of(batch: pa.RecordBatch, name: str, faults: Faults | None = None) -> pa.Array:
    """Return a string column; where `faults` is given, nulls are faults."""
    values = strings(column(batch, name))
    if faults is not None:
        faults.add(nulls(values), f"column '{name}' is null")
    return values
