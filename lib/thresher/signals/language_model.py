"""The detectors of languages that there are, and py3langid's model on whole numbers.

The package keeps its model compressed: to read it takes most of a second of every process, which is
a quarter of a night with little that is new (2026-11-21). So the model is kept as plain arrays
beside the machine code of the kernel that works it off, and processes map it.

Shapes: L labels, F features, S states of the automaton.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from thresher.errors import EngineError

Column = np.ndarray[Any, Any]
Detector = Literal["py3langid", "pycld2"]

INSTALL = "pip install 'thresher[langid]'"
FINE = 1 << 16  # steps of a logarithm
STORED = 512  # py3langid's weights are at least 2 in half precision: multiples of 1/512
_MOST = 1 << 13  # a feature that is seen more often counts as this often
_FORM = 1  # of the arrays that are kept


class Model(NamedTuple):
    """py3langid's model on whole numbers; all arrays are read-only.

    Attributes:
        labels: (L,) ISO codes; some are there twice, for two scripts.
        first: (L,) int64 place of the label's first appearance.
        weights: (F, L) int16 multiples of 1/512.
        prior: (L,) whole multiples of 1/(512 * 65536).
        moves: (distinct rows * 256,) uint32 next states.
        row_of: (S,) int64 where a state's moves begin.
        output: (S,) int32 feature of a state, -1 for none.
        logarithms: (_MOST,) log(1 + count), whole multiples of 1/65536.
    """

    labels: Column
    first: Column
    weights: Column
    prior: Column
    moves: Column
    row_of: Column
    output: Column
    logarithms: Column


def detector_id(detector: Detector) -> str:
    """Return the detector's name and version, for the manifest.

    Raises:
        EngineError: The package is not installed.
    """
    try:
        return f"{detector} {importlib.metadata.version(detector)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise _missing(detector) from error


def _missing(detector: Detector) -> EngineError:
    remedy = INSTALL if detector == "py3langid" else f"pip install {detector}"
    return EngineError(f"{detector} is not installed; it tells languages", remedy=remedy)


def load_model(folder: Path | None) -> Model:
    """Return py3langid's model.

    Args:
        folder: Where it is kept, if it can be.

    Raises:
        EngineError: The package is not installed, or its model is not one that is known.
    """
    name = detector_id("py3langid")
    kept = None if folder is None else folder / f"{name.replace(' ', '-')}-{_FORM}"
    if kept is not None:
        try:
            return _frozen(np.load(kept / f"{part}.npy", mmap_mode="r") for part in Model._fields)
        except FileNotFoundError:
            pass
        except (OSError, ValueError):  # cut
            shutil.rmtree(kept, ignore_errors=True)
    model = _frozen(_converted(name))
    if kept is not None:
        with suppress(OSError):  # a folder that cannot be written, or another was faster
            _keep(model, kept)
    return model


def _frozen(arrays: Any) -> Model:
    views = [np.ascontiguousarray(array).view(np.ndarray) for array in arrays]
    for view in views:
        view.flags.writeable = False
    return Model(*views)


def _keep(model: Model, kept: Path) -> None:
    """Write the arrays; their folder gets its name once all of them are there."""
    place = Path(tempfile.mkdtemp(dir=kept.parent, prefix=kept.name))
    try:
        for part, array in model._asdict().items():
            np.save(place / f"{part}.npy", array)
        place.chmod(0o755)
        os.rename(place, kept)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _converted(name: str) -> Model:
    try:
        package = importlib.import_module("py3langid.langid")
        found = package.LanguageIdentifier.from_model_file(package.MODEL_FILE)
        labels = np.array(found.nb_classes, np.str_)
        stored = np.asarray(found.nb_ptc, np.float32) * STORED
        weights = stored.astype(np.int16)
        first = np.array([found.nb_classes.index(label) for label in found.nb_classes])
        prior = np.rint(np.asarray(found.nb_pc, np.float64) * (STORED * FINE))
        moves = np.asarray(found.tk_nextmove, np.uint32)
        row_of = np.asarray(found.tk_row, np.int64) << 8
        output = np.asarray(found.tk_output, np.int32)
    except (ImportError, AttributeError) as error:
        raise EngineError(f"{name} cannot be used ({error})", remedy=INSTALL) from error
    if not (weights == stored).all() or weights.shape != (output.max() + 1, len(labels)):
        raise EngineError(f"{name} has a model of a kind that is not known", remedy=INSTALL)
    logs = np.array([float(round(math.log1p(count) * FINE)) for count in range(_MOST)])
    return Model(labels, first, weights, prior, moves, row_of, output, logs)
