"""The door for scores that need a model: what a scorer is, how one is loaded, and how it is asked.

A scorer is any object with the attributes of `Scorer`: Thresher's own classifier, a fastText model,
or what a function of yours returns. It is asked for texts and answers with columns. A row that it
fails on is null, never zero, and is counted.

Shapes: R rows.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from thresher.errors import ConfigError, EngineError, ThresherError
from thresher.formats.arrays import nulls, strings
from thresher.signals.classifier import load as load_classifier
from thresher.signals.signal import Group, Kind, Signal

Column = np.ndarray[Any, Any]
logger = logging.getLogger(__name__)
GROUP: Group = "text"
INSTALL = "pip install 'thresher[fasttext]'"


@runtime_checkable
class Scorer(Protocol):
    """Scores texts.

    A text's scores may depend on the text alone, not on the others of its batch.
    """

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def version(self) -> str:
        """Which version of the code this is."""

    @property
    def digest(self) -> str:
        """A hash of the model, for the manifest."""

    @property
    def columns(self) -> tuple[Signal, ...]:
        """The signals that it makes."""

    def score(self, texts: pa.Array) -> Mapping[str, pa.Array]:
        """Return the columns for large strings without nulls; null where it has no score."""


class Scored(NamedTuple):
    """What a scorer made of a batch.

    Attributes:
        columns: By name, R long, of the kinds' types; null where the text is null or has no score.
        failures: Rows on which the scorer failed.
        error: The first failure, in one line; empty if there is none.
    """

    columns: dict[str, pa.Array]
    failures: int
    error: str


def score_texts(scorer: Scorer, texts: pa.Array) -> Scored:
    """Score texts; where a batch fails, its rows are tried one by one, and those that fail are
    null.

    A number that is not finite, and a share outside 0 to 1, are failures too.

    Args:
        scorer: What to ask.
        texts: (R,) strings.
    """
    there = ~nulls(texts)
    asked = strings(texts).filter(pa.array(there))
    answer, failed, error = _ask(scorer, asked)
    rows = np.full(len(texts), -1, np.int64)
    rows[there] = np.arange(len(asked))
    index = pa.array(rows, mask=~there)
    columns = {name: column.take(index) for name, column in answer.items()}
    if failed:
        logger.warning("%s failed on %d of %d rows: %s", scorer.name, failed, len(asked), error)
    return Scored(columns, failed, error)


def _ask(scorer: Scorer, texts: pa.Array) -> tuple[dict[str, pa.Array], int, str]:
    whole, error = _try(scorer, texts)
    if whole is not None:
        return _checked(scorer, whole)
    if len(texts) == 1:
        return _empty(scorer, 1), 1, error
    rows = [_ask(scorer, texts.slice(row, 1)) for row in range(len(texts))]
    columns = {
        signal.name: pa.concat_arrays([row[0][signal.name] for row in rows])
        for signal in scorer.columns
    }
    errors = [row[2] for row in rows if row[1]]
    return columns, sum(row[1] for row in rows), errors[0] if errors else ""


def _try(scorer: Scorer, texts: pa.Array) -> tuple[dict[str, pa.Array] | None, str]:
    """Return the columns, or None and what went wrong."""
    if not len(texts):
        return _empty(scorer, 0), ""
    try:
        found = scorer.score(texts)
        columns = {s.name: _column(found[s.name], s.kind.type) for s in scorer.columns}
        lengths = {name: len(column) for name, column in columns.items()}
        if any(length != len(texts) for length in lengths.values()):
            raise ValueError(f"{len(texts)} texts gave columns of {lengths} rows")
    except (ThresherError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - code of others: whatever it raises costs one row
        return None, " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return columns, ""


def _column(found: Any, kind: pa.DataType) -> pa.Array:
    column = found if isinstance(found, pa.Array) else pa.array(found, from_pandas=True)
    return column.cast(kind)


def _checked(scorer: Scorer, columns: dict[str, pa.Array]) -> tuple[dict[str, pa.Array], int, str]:
    """Make numbers that are none null, and count their rows."""
    bad = np.zeros(len(next(iter(columns.values()))), bool)
    for signal in scorer.columns:
        if signal.kind not in (Kind.SHARE, Kind.NUMBER):
            continue
        values = columns[signal.name].fill_null(0.0).to_numpy(zero_copy_only=False)
        wrong = ~np.isfinite(values)
        if signal.kind is Kind.SHARE:
            wrong |= (values < 0) | (values > 1)
        bad |= wrong
    if not bad.any():
        return columns, 0, ""
    kept = pa.array(np.arange(len(bad)), mask=bad)
    cleared = {name: column.take(kept) for name, column in columns.items()}
    return cleared, int(bad.sum()), "a score is no number, or a share outside 0 to 1"


def _empty(scorer: Scorer, rows: int) -> dict[str, pa.Array]:
    return {signal.name: pa.nulls(rows, signal.kind.type) for signal in scorer.columns}


def is_function(reference: str) -> bool:
    """Tell whether a scorer is named as `package.module:factory` and not as a file."""
    module, colon, factory = reference.partition(":")
    names = [*module.split("."), factory]
    return bool(colon) and all(name.isidentifier() for name in names)


def load_scorer(
    reference: str, options: Mapping[str, Any] | None = None, content: bytes | None = None
) -> Scorer:
    """Load a scorer.

    Args:
        reference: `package.module:factory`, a function that takes the options as keywords; or the
            name of a model file: a classifier of `thresher train-classifier` (.npz), or a
            supervised fastText model (.bin, .ftz).
        options: For a fastText model: `label` (whose probability is the score; else that of the
            likeliest label) and `name` (of the column).
        content: The bytes of the model file, where the reference names one.

    Raises:
        ConfigError: There is no such function, or the file is no model.
        EngineError: A package that the model needs is not installed.
    """
    options = dict(options or {})
    if is_function(reference):
        return _from_function(reference, options)
    suffix = Path(reference).suffix
    if content is not None and suffix in (".bin", ".ftz"):
        return _from_fasttext(reference, content, options)
    if content is not None and suffix == ".npz":
        if options:
            raise ConfigError(f"a classifier takes no options, not {sorted(options)[0]!r}")
        return load_classifier(content, reference)
    raise ConfigError(
        f"--scorer {reference}: neither package.module:factory nor a model file",
        remedy="model files are .npz of thresher train-classifier, and .bin or .ftz of fastText",
    )


def _from_function(reference: str, options: dict[str, Any]) -> Scorer:
    module, _, factory = reference.partition(":")
    try:
        scorer = getattr(importlib.import_module(module), factory)(**options)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"--scorer {reference}: {type(error).__name__}: {error}",
            remedy="check the module, the function and its options",
        ) from error
    lacking = [
        n for n in ("name", "version", "digest", "columns", "score") if not hasattr(scorer, n)
    ]
    if lacking or not isinstance(scorer, Scorer):
        raise ConfigError(f"--scorer {reference}: what it returns has no {', '.join(lacking)}")
    texts = (scorer.name, scorer.version, scorer.digest)
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"--scorer {reference}: name, version and digest must be strings")
    if not all(isinstance(signal, Signal) for signal in scorer.columns):
        raise ConfigError(f"--scorer {reference}: columns must be a tuple of Signal")
    return scorer


class FastText:
    """A supervised fastText model; a `Scorer`.

    A text is one line to it: line breaks become spaces. Its arithmetic is float32, compiled for the
    machine, so scores are rounded to 1e-4: enough for any threshold, and the same nearly anywhere.
    """

    def __init__(self, model: Any, digest: str, version: str, name: str, label: str | None) -> None:
        self._model = model
        self._label = label
        self.digest = digest
        self.version = version
        self.name = name
        about = f"probability of {label}, by a fastText model"
        if label is not None:
            self.columns: tuple[Signal, ...] = (Signal(name, Kind.SHARE, GROUP, about),)
        else:
            about = "probability of the likeliest label, by a fastText model"
            self.columns = (
                Signal(name, Kind.SHARE, GROUP, about),
                Signal(f"{name}_label", Kind.LABEL, GROUP, "likeliest label, by a fastText model"),
            )

    def score(self, texts: pa.Array) -> dict[str, pa.Array]:
        """Return the probability, and the label where none was chosen."""
        labels: list[str | None] = []
        shares: list[float | None] = []
        for text in texts.to_pylist():
            found = dict(zip(*self._model.predict(" ".join(text.splitlines()), k=-1), strict=True))
            label = self._label if self._label is not None else next(iter(found), None)
            share = found.get(label)
            labels.append(label)
            # A softmax in float32 may end a little above 1.
            shares.append(None if share is None else min(round(float(share), 4), 1.0))
        values = {self.name: pa.array(shares, pa.float64())}
        if self._label is None:
            values[f"{self.name}_label"] = pa.array(labels, pa.string())
        return values


def _from_fasttext(path: str, content: bytes, options: dict[str, Any]) -> FastText:
    unknown = sorted(set(options) - {"label", "name"})
    if unknown:
        raise ConfigError(f"a fastText model takes label and name, not {unknown[0]!r}", path=path)
    try:
        package = importlib.import_module("fasttext")
    except ImportError as error:
        raise EngineError("fastText is not installed", remedy=INSTALL) from error
    with tempfile.NamedTemporaryFile(suffix=Path(path).suffix) as file:
        file.write(content)
        file.flush()
        try:
            model = package.load_model(file.name)
            labels = set(model.predict("a", k=-1)[0])
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"not a supervised fastText model ({error})", path=path) from error
    label = options.get("label")
    if label is not None and label not in labels:
        raise ConfigError(
            f"the model has no label {label!r}",
            path=path,
            remedy=f"labels: {', '.join(sorted(labels)[:20])}",
        )
    digest = hashlib.sha256(content).hexdigest()
    return FastText(model, digest, "fasttext-1", str(options.get("name", "fasttext_score")), label)
