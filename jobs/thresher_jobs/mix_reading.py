"""What a mixture reads: its sources, once, and what is known of every row after that."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import thresher
from thresher.errors import ConfigError, InputError
from thresher.formats.detection import Detected
from thresher.planning import Plan, expecting_texts
from thresher.run import Run
from thresher.signals.tokens import TokenizerFile
from thresher.stage import WORK, MapStage, Receipt, stage_key
from thresher.steps.first_read import FirstRead, counted, first_read, noted
from thresher.steps.mix_counting import MixSource
from thresher.steps.mix_probe import AllStrings, MixProbe, MixStep
from thresher.steps.row_texts import RowReader
from thresher_jobs.detecting import peek_readable
from thresher_jobs.first_pass import (
    check_line_ids,
    check_quarantined,
    check_text_column,
    first_pass,
)
from thresher_jobs.mix_params import MixParams

CODE_VERSION = "contents-1"  # raised when the same rows have other lines
MOST_TOKENIZER_BYTES = 1 << 30


@dataclass(frozen=True)
class ReadSources:
    """Sources that were read once.

    Args:
        plan: What was read.
        step: How.
        folder: Of the lines, one a row.
        receipts: Of the pass.
        key: Its content name.
        notes: What the user should know.
    """

    plan: Plan
    step: MixStep
    folder: str
    receipts: list[Receipt]
    key: str
    notes: list[str]

    def source(self, seed: int) -> MixSource:
        """Return the lines, in the order that a seed gives."""
        return MixSource(self.folder, seed)


def read_sources(
    run: Run,
    plan: Plan,
    params: MixParams,
    columns: Sequence[str | None],
    tokenizer: bytes | None,
) -> ReadSources:
    """Read all sources and note what drawing needs to know of every row.

    Args:
        run: Where stages run.
        plan: What to read.
        params: The parameters.
        columns: By source, the column of categories.
        tokenizer: The file that counts tokens, or None.

    Raises:
        InputError: Rows or columns are not what they should be.
        LimitError: Too many rows of a source cannot be judged.
    """
    plan, reader, notes = choose_reader(run, plan, params)
    kept = keep_tokenizer(run, tokenizer)
    step = MixStep(reader, kept, tuple(columns), params.id_column, params.by == "tokens")
    probe = MixProbe(step)
    read = FirstRead(step.reader, (probe,), params.skip_unreadable, params.max_doc_bytes)
    plan, stage, receipts = first_pass(run, plan, partial(_stage, step, read), params.split_bytes)
    _check(run, read, plan, receipts, params, stage, probe)
    return ReadSources(plan, step, noted(stage.folder, probe), receipts, stage.key, notes)


def read_tokenizer(path: str | None) -> bytes | None:
    """Read the file that counts tokens, and check that it does.

    Raises:
        ConfigError: It cannot be read, or is none.
        EngineError: The package that reads it is not installed.
    """
    if path is None:
        return None
    try:
        size = Path(path).stat().st_size
        content = Path(path).read_bytes() if size <= MOST_TOKENIZER_BYTES else None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error})", path=path) from error
    if content is None:
        raise ConfigError(f"is larger than {MOST_TOKENIZER_BYTES >> 20} MiB", path=path)
    TokenizerFile(content, path)
    return content


def keep_tokenizer(run: Run, content: bytes | None) -> str | None:
    """Put the tokenizer where every worker can read it; return its name."""
    if content is None:
        return None
    name = f"{WORK}/assets/{digest_of_file(content)[:32]}"
    run.store.put(name, content)
    return name


def choose_reader(
    run: Run, plan: Plan, params: MixParams
) -> tuple[Plan, RowReader | AllStrings, list[str]]:
    """Return how rows are read as text, and what the user should know of it.

    Raises:
        InputError: A file is of no known format, and tokens decide.
        ConfigError: It may be of several.
    """
    if params.text_column is not None:
        plan = expecting_texts(plan, [params.text_column])
        return plan, RowReader(None, params.text_column), []
    strict = params.by == "tokens" or params.format is not None
    try:
        plan, detected = peek_readable(run, plan, params)
    except (InputError, ConfigError) as error:
        if strict:
            raise
        note = f"tokens are those of all columns of strings: {error.path}: {error.message}"
        return plan, AllStrings(), [note]
    return plan, RowReader(formats_of(detected), "text"), []


def formats_of(detected: Mapping[int, Detected]) -> dict[int, tuple[str, ...]]:
    return {file: found.formats for file, found in detected.items()}


def _stage(step: MixStep, read: FirstRead, plan: Plan) -> MapStage:
    reader = step.reader
    formats = reader.formats if isinstance(reader, RowReader) else None
    column = reader.text_column if isinstance(reader, RowReader) else None
    made_of = [
        CODE_VERSION,
        thresher.__version__,
        plan.digest(),
        type(reader).__name__,
        str(None if formats is None else sorted(formats.items())),
        str((column, step.tokenizer, step.categories, step.id_column, step.counted)),
        str(read.max_doc_bytes),
    ]
    return MapStage("contents", stage_key(*made_of), partial(first_read, read), plan.tasks)


def _check(
    run: Run,
    how: FirstRead,
    plan: Plan,
    receipts: Sequence[Receipt],
    params: MixParams,
    stage: MapStage,
    probe: MixProbe,
) -> None:
    if params.text_column is not None and not params.union_columns:
        check_text_column(plan, receipts, params.text_column)
    if params.id_column:
        lines = noted(stage.folder, probe)
        check_line_ids(run, plan, receipts, lines, stage.key, params.id_column)
    check_quarantined(
        how,
        plan,
        receipts,
        params.max_quarantined_fraction,
        lambda receipt: int(counted(receipt, probe.name)["unjudged"]),
    )


def digest_of_file(content: bytes) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(content).hexdigest()
