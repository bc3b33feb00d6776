"""The jobs from Python, for notebooks: data in, kept and removed rows out.

import thresher

result = thresher.dedup(table, text_column="text", threshold=0.8)
result.kept, result.removed, result.report["rows_removed"]
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError
from thresher.params import build, load_yaml
from thresher.parquet import write_part
from thresher.result import open_result
from thresher.schema import plain_schema, unify
from thresher_jobs.api_clusters import (
    dedup_frame,
    dedup_ray_dataset,
    is_frame,
    is_ray_dataset,
    staged,
)
from thresher_jobs.api_mix import named_sources
from thresher_jobs.api_split import gathered, kept_tables
from thresher_jobs.convert import convert as run_convert
from thresher_jobs.convert_params import ConvertParams
from thresher_jobs.dedup import dedup as run_dedup
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.mix import mix as run_mix
from thresher_jobs.mix_params import MixParams
from thresher_jobs.score import score as run_score
from thresher_jobs.score_params import ScoreParams
from thresher_jobs.split import split as run_split
from thresher_jobs.split_params import SplitParams

TABLE_FILE = "table.parquet"


@dataclass(frozen=True)
class JobResult:
    """What the jobs return.

    Args:
        kept: The kept rows, of the kind that was given; a `pyarrow.Table` for paths, and for rows
            that were converted. After `split` a mapping of these by name, a `DatasetDict` where a
            `datasets.Dataset` was given.
        removed: The removed rows with `_row_id`, `_removed_by`, `_reason`, `_matched_id`, `_score`:
            a Spark DataFrame or Ray Dataset where one was given, else a `pyarrow.Table`.
        quarantined: Rows that could not be judged, of the kind of `removed`.
        report: What report.json holds.
        html: The report as a page.
    """

    kept: Any
    removed: Any
    quarantined: Any
    report: dict[str, Any]
    html: str

    def _repr_html_(self) -> str:
        lines = [
            f"<tr><th>{key.removeprefix('rows_')}</th><td>{self.report[key]:,}</td></tr>"
            for key in ("rows_in", "rows_kept", "rows_removed", "rows_quarantined")
        ]
        return f"<table>{''.join(lines)}</table>"


def dedup(
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 0,
    cluster: str | os.PathLike[str] | EngineOptions | None = None,
    **settings: Any,
) -> JobResult:
    """Remove copies and near copies from a table, a `datasets.Dataset`, a path or a list of paths,
    a Spark DataFrame or a Ray Dataset.

    Args:
        data: What to clean. Rows of a table are named `table.parquet:<row number>`. A DataFrame is
            judged by its own session's cluster, a Ray Dataset by the cluster it lies in.
        out: Folder that keeps the full result (report, ledger, manifest); a temporary one if None.
            Paths given again with it resume; a table needs a new folder each time. A DataFrame and
            a Ray Dataset need one that all nodes share, and read their rows from there.
        workers: Tasks at once; 0 takes every core.
        cluster: A cluster profile, or the path of one: where to run.
        settings: Any field of `DedupParams`: text_column, columns, id_column, method, threshold,
            keep, ...

    Returns:
        Kept rows of the same kind (a Table for paths), removed rows with the reason and the row
        kept instead.

    Raises:
        ThresherError: One of its classes, as the command line reports them.
    """
    if isinstance(settings.get("columns"), (list, tuple)):
        settings["columns"] = tuple(settings["columns"])
    params = build(DedupParams, settings)
    options = _options(cluster, workers)
    for known, run in ((is_frame, dedup_frame), (is_ray_dataset, dedup_ray_dataset)):
        if known(data):
            if out is None:
                raise ConfigError(
                    f"a {type(data).__name__} needs `out`",
                    remedy="name a folder that all nodes share; the result is read from there",
                )
            folder = os.path.abspath(os.fspath(out))
            report, parts = run(data, folder, params, options)
            return JobResult(*parts, report, _page(folder))
    return _run_here(data, out, options, lambda a, folder: run_dedup(a, folder, params, options))


def score(
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 0,
    cluster: str | os.PathLike[str] | EngineOptions | None = None,
    **settings: Any,
) -> JobResult:
    """Judge the rows of a table, a `datasets.Dataset`, a path or a list of paths by a profile.

    Args:
        data: What to judge.
        out: Folder that keeps the full result, signals among it; a temporary one if None.
        workers: Tasks at once; 0 takes every core.
        cluster: A cluster profile, or the path of one: where to run.
        settings: Any field of `ScoreParams`: profile, rules, annotate, per_prompt, ...

    Raises:
        ThresherError: One of its classes, as the command line reports them.
    """
    params = build(ScoreParams, settings)
    options = _options(cluster, workers)
    return _run_here(data, out, options, lambda a, folder: run_score(a, folder, params, options))


def convert(
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 0,
    cluster: str | os.PathLike[str] | EngineOptions | None = None,
    **settings: Any,
) -> JobResult:
    """Convert the rows of a table, a `datasets.Dataset`, a path or a list of paths.

    Args:
        data: What to convert, of any format.
        out: Folder that keeps the full result; a temporary one if None.
        workers: Tasks at once; 0 takes every core.
        cluster: A cluster profile, or the path of one: where to run.
        settings: Any field of `ConvertParams`: to, format, template, ...

    Raises:
        ThresherError: One of its classes, as the command line reports them.
    """
    params = build(ConvertParams, settings)
    options = _options(cluster, workers)
    return _run_here(data, out, options, lambda a, folder: run_convert(a, folder, params, options))


def mix(
    data: Any = None,
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 0,
    cluster: str | os.PathLike[str] | EngineOptions | None = None,
    **settings: Any,
) -> JobResult:
    """Mix sources by weight, in rows or tokens.

    Args:
        data: A list of paths, or a mapping of names to paths, tables or `datasets.Dataset`s; None
            where `sources` among the settings names them.
        out: Folder that keeps the full result; a temporary one if None. Tables need a new folder
            each time.
        workers: Tasks at once; 0 takes every core.
        cluster: A cluster profile, or the path of one: where to run.
        settings: Any field of `MixParams`: weights, by, total, temperature, max_repeats, ...

    Raises:
        ThresherError: One of its classes, as the command line reports them.
    """
    options = _options(cluster, workers)
    with contextlib.ExitStack() as stack:
        if isinstance(data, Mapping):
            beside = None if options.engine == "local" or out is None else os.fspath(out)
            settings = stack.enter_context(named_sources(data, settings, beside))
            data = None
        params = build(MixParams, settings)
        paths = [source.path for source in params.sources]
        return _run_here(
            paths or data,
            out,
            options,
            lambda a, folder: run_mix([] if paths else a, folder, params, options),
        )


def split(
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 0,
    cluster: str | os.PathLike[str] | EngineOptions | None = None,
    **settings: Any,
) -> JobResult:
    """Split the rows of a table, a `datasets.Dataset`, a path or a list of paths into train,
    validation and test that share no near copies and no prompts.

    Args:
        data: What to split.
        out: Folder that keeps the full result; a temporary one if None.
        workers: Tasks at once; 0 takes every core.
        cluster: A cluster profile, or the path of one: where to run.
        settings: Any field of `SplitParams`: test, validation, stratify, group_by, threshold, ...

    Returns:
        The rows by split in `kept`.

    Raises:
        ThresherError: One of its classes, as the command line reports them.
    """
    params = build(SplitParams, settings)
    options = _options(cluster, workers)
    return _run_here(data, out, options, lambda a, folder: run_split(a, folder, params, options))


def run_recipe(
    recipe: str | os.PathLike[str] | Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 0,
    cluster: str | os.PathLike[str] | EngineOptions | None = None,
) -> JobResult:
    """Run the steps of a recipe over one reading of the text.

    Args:
        recipe: The path of a YAML file, or what such a file says: sources and steps.
        out: Folder that keeps the full result; a temporary one if None.
        workers: Tasks at once; 0 takes every core.
        cluster: A cluster profile, or the path of one: where to run.

    Returns:
        The rows of the data in `kept`, by split where the recipe splits.

    Raises:
        ThresherError: One of its classes, as the command line reports them.
    """
    from thresher_jobs.recipe import load_recipe, parse_recipe, relative_to
    from thresher_jobs.run_recipe import run_recipe as run

    if isinstance(recipe, Mapping):
        steps = parse_recipe(recipe)
    else:
        path = os.fspath(recipe)
        steps = relative_to(load_recipe(path), path)
    options = _options(cluster, workers)
    places = [source.path for source in steps.sources]
    return _run_here(places, out, options, lambda _, folder: run(steps, folder, options))


def _options(cluster: Any, workers: int) -> EngineOptions:
    if isinstance(cluster, EngineOptions):
        return cluster.model_copy(update={"workers": workers}) if workers else cluster
    profile = load_yaml(os.fspath(cluster)) if cluster is not None else {}
    return build(EngineOptions, profile, {"workers": workers} if workers else {})


def _page(folder: str) -> str:
    return Path(folder, "report.html").read_text(encoding="utf-8")


def _run_here(
    data: Any,
    out: str | os.PathLike[str] | None,
    options: EngineOptions,
    run: Callable[[list[str], str], dict[str, Any]],
) -> JobResult:
    """Run a job over addresses, in a folder of its own unless one is named."""
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="thresher-"))
        folder = os.fspath(out) if out is not None else os.path.join(scratch, "out")
        if options.engine != "local":  # its workers may be on other machines
            if out is None:
                raise ConfigError(
                    f"engine {options.engine} needs `out`", remedy="a folder that all nodes share"
                )
            if not _is_paths(data):
                scratch = stack.enter_context(staged(os.path.abspath(folder)))
        table, addresses = _inputs(data, scratch)
        report = run(addresses, folder)
        result = open_result(folder)
        tables = {
            name: pa.concat_tables([result.read(name, part) for part in range(result.num_parts)])
            for name in ("removed", "quarantine")
        }
        kept: dict[str, Any] = dict(kept_tables(result))
        html = _page(folder)
    removed = tables["removed"]
    if table is not None and removed.schema.names[: len(table.schema)] == table.schema.names:
        kept = {name: _like(data, _cast(rows, table.schema)) for name, rows in kept.items()}
        removed = _cast(removed, table.schema)
    return JobResult(gathered(kept), removed, tables["quarantine"], report, html)


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give the first columns the types that came in; others follow as they are."""
    more = list(rows.schema)[len(schema) :]
    return rows.cast(pa.schema([*schema, *more], metadata=schema.metadata))


def _is_paths(data: Any) -> bool:
    """Say whether the data is a path or a list of paths."""
    paths = data if isinstance(data, (list, tuple)) else [data]
    return bool(paths) and all(isinstance(path, (str, os.PathLike)) for path in paths)


def _inputs(data: Any, scratch: str) -> tuple[pa.Table | None, list[str]]:
    """Return the table behind the data, if there is one, and the addresses to read."""
    if isinstance(data, (str, os.PathLike)):
        return None, [os.fspath(data)]
    if isinstance(data, pa.Table):
        table = data
    elif _is_dataset(data):
        table = data.with_format("arrow")[:]
    elif (
        isinstance(data, Sequence) and data and all(isinstance(p, (str, os.PathLike)) for p in data)
    ):
        return None, [os.fspath(path) for path in data]
    else:
        raise ConfigError(
            f"cannot read data of type {type(data).__name__}",
            remedy="give a pyarrow.Table, a datasets.Dataset, a Spark DataFrame, a Ray Dataset, "
            "a path or a list of paths",
        )
    path = os.path.join(scratch, TABLE_FILE)
    unify([(TABLE_FILE, table.schema)])  # one name for two columns is the caller's mistake
    write_part(path, plain_schema(table.schema), [table])
    return table, [path]


def _is_dataset(data: Any) -> bool:
    """Say whether the data is a `datasets.Dataset`, without importing that package."""
    return any(
        kind.__name__ == "Dataset" and kind.__module__.partition(".")[0] == "datasets"
        for kind in type(data).__mro__
    )


def _like(data: Any, kept: pa.Table) -> Any:
    """Give the kept rows the kind of what came in."""
    if isinstance(data, pa.Table):
        return kept
    return type(data)(kept, info=data.info, split=data.split)


__all__ = ["JobResult", "convert", "dedup", "mix", "run_recipe", "score", "split"]
