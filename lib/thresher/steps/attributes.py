"""The pass over the text: every attribute a job needs, one file a task, one line an input row.

Only the compared columns, the id column and the keep column are read (files without a footer are
read whole once, since their types are known only then). Rows that cannot be judged get a status and
no keys; `select` quarantines them.

Shapes: D rows of a task, B bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError, InputError
from thresher.params import Params
from thresher.stage import Task
from thresher.steps.arrivals import Arrivals
from thresher.steps.attribute_files import TaskAttributes as TaskAttributes
from thresher.steps.attribute_files import attribute_name as attribute_name
from thresher.steps.attribute_files import load_attributes
from thresher.steps.compared import Compared, Texts
from thresher.steps.line_files import LineFile
from thresher.steps.noted_shingles import ShingleFile
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.spread import fixed_lists
from thresher.store import Published, Store
from thresher.text.sketch import Sketch, sketch
from thresher.transforms.bands import Banding, band_keys
from thresher.transforms.minhash import Permutations, permutations
from thresher.transforms.order import LAST, largest_first, longest_first
from thresher.transforms.pictures import PICTURE_WORDS

Column = np.ndarray[Any, Any]


class Status(IntEnum):
    """Why a row can or cannot be judged."""

    OK = 0
    NULL = 1
    ILL_FORMED = 2
    UNREADABLE = 3
    NO_FORMAT = 4
    GONE = 5  # judged already: an earlier step of the recipe removed it


UNJUDGED = (Status.ILL_FORMED, Status.UNREADABLE, Status.NO_FORMAT)


class AttributeParams(Params):
    """What to compute for each row."""

    compared: Compared
    id_column: str | None
    keep: str
    keep_column: str | None
    ngram: int
    bands: int
    rows_per_band: int
    seed: int
    words: bool
    max_doc_bytes: int
    keep_signatures: bool

    @property
    def read_columns(self) -> tuple[str, ...] | None:
        """The columns that rows are judged by; None where all are, since formats decide."""
        if self.compared.on is not None:
            return None
        extra = [c for c in (self.id_column, self.keep_column) if c]
        return tuple(dict.fromkeys([*self.compared.columns, *extra]))

    @property
    def banding(self) -> Banding | None:
        """The banding, or None when no signatures are wanted."""
        return Banding(self.bands, self.rows_per_band) if self.bands else None


@dataclass(frozen=True)
class ComparedReader:
    """Rows as the text that is compared."""

    compared: Compared

    def texts(self, block: TaskBlock, read: ReadTask) -> Texts:
        """Read a block's rows."""
        file = read.splits[block.split].file
        return self.compared.read(block.batch, file, read.files[block.split].path)

    def missing(self) -> str:
        """Say what a row lacks whose text is null."""
        return self.compared.missing()


@dataclass(frozen=True)
class AttributeProbe:
    """Notes every attribute that copies are found by.

    Facts: `nulls`, rows without text; `unjudged`, rows that cannot be judged otherwise.

    Args:
        params: What to compute.
        name: Of the probe.
        shingles: Whether to note the shingles of compared rows too.
    """

    params: AttributeParams
    name: str = "attributes"
    shingles: bool = False

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """List the columns that rows are judged by."""
        return self.params.read_columns

    def open(self, store: Store, folder: str, task: Task) -> AttributeNotes:
        """Begin a task's attribute file."""
        kept = ShingleFile(self.params.ngram, store, folder, task.index) if self.shingles else None
        return AttributeNotes(self.params, store, folder, task, kept)


class AttributeNotes:
    """One task's attribute file, and its shingles where they are wanted."""

    def __init__(
        self,
        params: AttributeParams,
        store: Store,
        folder: str,
        task: Task,
        shingles: ShingleFile | None,
    ) -> None:
        self._params, self._read = params, task.payload
        self._reader = ComparedReader(params.compared)
        num = params.bands * params.rows_per_band
        self._family = permutations(num, params.seed) if num else None
        self._statuses = np.zeros(len(Status), dtype=np.int64)
        schema = attribute_schema(params)
        self._shingles = shingles
        self._file = LineFile(store, attribute_name(folder, task.index), schema)

    def __enter__(self) -> AttributeNotes:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._shingles is not None:
            self._shingles.__exit__(*error)
        self._file.__exit__(*error)

    def take(self, block: TaskBlock, texts: Any, base: int, count: int) -> None:
        """Note a block; `texts` are the compared ones, or rows to find them in."""
        made = texts if isinstance(texts, Texts) else self._reader.texts(block, self._read)
        path = self._read.files[block.split].path
        batch = _attributes(self._params, block, made, count, base, self._family, path)
        self._file.write(batch)
        status = batch.column("status").to_numpy()
        self._statuses += np.bincount(status, minlength=len(Status))
        if self._shingles is not None:
            rows = block.rows - base
            compared = comparable(status, batch.column("num_words").to_numpy(), self._params.ngram)
            wanted = np.flatnonzero(compared[rows])
            self._shingles.take(made.text, wanted, rows[wanted], count)

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Publish the file; return what was counted."""
        facts = {
            "nulls": int(self._statuses[Status.NULL]),
            "unjudged": int(self._statuses[list(UNJUDGED)].sum()),
        }
        files = [self._file.close()]
        if self._shingles is not None:
            files.append(self._shingles.close())
        return tuple(files), facts


def comparable(status: Column, num_words: Column, ngram: int) -> Column:
    """Return (D,) bool: rows that near copies are looked for among; of shorter texts only an equal
    word sequence is near."""
    found: Column = (status == Status.OK) & (num_words >= ngram)
    return found


def attribute_schema(params: AttributeParams) -> pa.Schema:
    """Return the columns of an attribute file."""
    fields = [
        pa.field("status", pa.uint8()),
        pa.field("bytes_hash", pa.list_(pa.uint64(), 2)),
        pa.field("word_hash", pa.list_(pa.uint64(), 2)),
        pa.field("keep", pa.uint64()),
        pa.field("num_words", pa.uint32()),
    ]
    if params.bands:
        fields.append(pa.field("bands", pa.list_(pa.uint64(), params.bands)))
        fields.append(pa.field("picture", pa.list_(pa.uint64(), PICTURE_WORDS)))
    if params.id_column:
        fields.append(pa.field("id", pa.string()))
    if params.keep_signatures:
        num = params.bands * params.rows_per_band
        fields.append(pa.field("signature", pa.list_(pa.uint32(), num)))
    return pa.schema(fields)


def _attributes(
    params: AttributeParams,
    block: TaskBlock,
    made: Texts,
    count: int,
    base: int,
    family: Permutations | None,
    file: str,
) -> pa.RecordBatch:
    """Return one line for each of the block's `count` rows, unreadable ones included."""
    text = made.text
    found: Sketch = sketch(
        text, n=params.ngram, permutations=family, with_words=params.words or bool(params.bands)
    )
    status = np.where(found.ok, Status.OK, Status.ILL_FORMED).astype(np.uint8)
    status[np.asarray(pc.is_null(text))] = Status.NULL
    status[~made.faults.good] = Status.NO_FORMAT
    word_hash = found.sequence_hash if params.words or params.bands else found.bytes_hash
    places = block.rows - base
    whole = len(block.bad) == 0

    def spread(values: Column, fill: int = 0) -> Column:
        if whole:
            return values
        out = np.full((count, *values.shape[1:]), fill, dtype=values.dtype)
        out[places] = values
        return out

    columns = [
        pa.array(spread(status, Status.UNREADABLE)),
        fixed_lists(spread(found.bytes_hash)),
        fixed_lists(spread(word_hash)),
        pa.array(spread(_keep_keys(params, block.batch, text, file))),
        pa.array(spread(found.num_words)),
    ]
    banding = params.banding
    if banding:
        columns.append(
            fixed_lists(spread(band_keys(found.signatures, banding.bands, banding.rows)))
        )
        columns.append(fixed_lists(spread(found.pictures)))
    if params.id_column:
        columns.append(_ids(params.id_column, block, count, base, file))
    if params.keep_signatures:
        columns.append(fixed_lists(spread(found.signatures, 0)))
    return pa.record_batch(columns, schema=attribute_schema(params))


def _keep_keys(params: AttributeParams, batch: pa.RecordBatch, text: pa.Array, file: str) -> Column:
    if params.keep == "longest":
        lengths = pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
        return longest_first(lengths)
    if params.keep_column is None:
        return np.zeros(len(batch), dtype=np.uint64)
    index = batch.schema.get_field_index(params.keep_column)
    if index < 0:
        return np.full(len(batch), LAST)
    column = batch.column(index)
    try:
        # Whole numbers in one file and broken ones in the next must meet on one scale.
        if params.keep == "best" or pa.types.is_integer(column.type):
            column = pc.cast(column, pa.float64(), safe=False)
        return largest_first(column)
    except (ValueError, pa.ArrowInvalid) as error:
        raise InputError(
            f"column '{params.keep_column}' cannot order rows: {error}",
            path=file,
            remedy="best:COLUMN takes numbers, newest:COLUMN takes times",
        ) from error


def user_ids(column: str, block: TaskBlock, file: str) -> pa.Array:
    """Return the users' own ids of a block's rows, as strings.

    Raises:
        InputError: The column is missing, or an id is.
        ConfigError: It holds no strings or numbers.
    """
    index = block.batch.schema.get_field_index(column)
    if index < 0:
        raise InputError(f"no column '{column}'", path=file, remedy="choose with --id-column")
    values = block.batch.column(index)
    if pa.types.is_nested(values.type):
        raise ConfigError(f"--id-column {column}: ids must be strings or numbers", path=file)
    values = values.cast(pa.string())
    nulls = np.flatnonzero(np.asarray(pc.is_null(values)))
    if len(nulls):
        row = int(block.rows[nulls[0]])
        raise InputError(
            f"id column '{column}' is null in {len(nulls)} rows, first in row {row} of its task",
            path=file,
            remedy="drop --id-column, or fill the ids",
        )
    return values


def _ids(column: str, block: TaskBlock, count: int, base: int, file: str) -> pa.Array:
    values = user_ids(column, block, file)
    if not block.bad:
        return values
    places = np.full(count, -1, dtype=np.int64)
    places[block.rows - base] = np.arange(len(values))
    return values.take(pa.array(places, mask=places < 0))


class Alive(Protocol):
    """Which rows an earlier step of a recipe left."""

    def mask(self, store: Store, task: int) -> Column:
        """(D,) bool."""


@dataclass(frozen=True)
class Attributes:
    """Where the attributes of all rows are, for the stages that come after the pass over the text.

    Args:
        folder: Of the attribute files.
        alive: Rows that one of these leaves out take no part.
        shingles: Whether the shingles of compared rows were noted.
        arrived: When rows came, where the order goes by that.
    """

    folder: str
    alive: tuple[Alive, ...] = ()
    shingles: bool = False
    arrived: Arrivals | None = None

    def load(self, store: Store, task: int) -> TaskAttributes:
        """Read a task's attributes."""
        arrived = None if self.arrived is None else self.arrived.of_task(store, task)
        found = load_attributes(store, self.folder, task, arrived)
        if self.alive:
            gone = ~np.logical_and.reduce([step.mask(store, task) for step in self.alive])
            found.status = np.where(gone, np.uint8(Status.GONE), found.status)
        return found
