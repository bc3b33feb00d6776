"""The commands that run jobs. Every job has one form: `thresher JOB INPUT... --out DIR`."""

from __future__ import annotations

import logging
from shlex import quote
from typing import Annotated

import typer

from thresher_jobs.cli_options import (
    Action,
    Against,
    Annotate,
    ChatTemplate,
    Cluster,
    Clusters,
    Columns,
    Config,
    EngineName,
    FromFormat,
    IdColumn,
    Inputs,
    JsonLogs,
    Keep,
    LossSpans,
    Method,
    On,
    Out,
    PerPrompt,
    Prefer,
    PresetName,
    ProfileName,
    Quiet,
    ScoredColumn,
    Scorers,
    SearchedColumn,
    Set,
    Skip,
    Strict,
    TaughtColumn,
    TextColumn,
    Threshold,
    To,
    Tokenizer,
    Union,
    Workers,
)
from thresher_jobs.cli_params import engine_of, params_of

app = typer.Typer(
    name="thresher",
    help="Separate the grain from the chaff in training data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=(
        "Exit codes: 0 done, 2 wrong configuration, 3 bad or changed input, 4 a limit passed, "
        "5 engine not available, 6 out of memory or disk, 7 storage or permission, "
        "70 a bug of ours, 130/143 stopped."
    ),
)


@app.command()
def dedup(
    context: typer.Context,
    inputs: Inputs,
    out: Out,
    text_column: TextColumn = None,
    columns: Columns = None,
    on: On = None,
    format: FromFormat = None,
    id_column: IdColumn = None,
    method: Method = None,
    threshold: Threshold = None,
    clusters: Clusters = None,
    keep: Keep = None,
    skip_unreadable: Skip = False,
    union_columns: Union = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Remove copies and near copies.

    A row goes only for a kept row whose similarity to it, computed exactly, is at least the
    threshold; both are named in OUT/removed. OUT/report.html shows what went and why. The same
    command resumes a run that was stopped.
    """
    from thresher_jobs.dedup import dedup as run_dedup
    from thresher_jobs.dedup_params import DedupParams
    from thresher_jobs.progress import Show
    from thresher_jobs.summary import print_summary

    params = params_of(DedupParams, context)
    options = engine_of(context)
    with Show(quiet, json_logs) as show:
        report = run_dedup(inputs, out, params, options, show)
    if not quiet:
        print_summary(report, quote(out))


@app.command()
def convert(
    context: typer.Context,
    inputs: Inputs,
    out: Out,
    to: To = None,
    format: FromFormat = None,
    template: ChatTemplate = None,
    loss_spans: LossSpans = False,
    strict: Strict = False,
    skip_unreadable: Skip = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Convert chat, preference and text data into what trainers read.

    The format of each file is detected; what the target cannot hold is counted, rows that cannot be
    converted go to OUT/quarantine with their error. A file beside the data holds the trainer's
    configuration.
    """
    from thresher_jobs.convert import convert as run_convert
    from thresher_jobs.convert_params import ConvertParams
    from thresher_jobs.convert_report import print_summary
    from thresher_jobs.progress import Show

    params = params_of(ConvertParams, context)
    options = engine_of(context)
    with Show(quiet, json_logs) as show:
        report = run_convert(inputs, out, params, options, show)
    if not quiet:
        print_summary(report, quote(out))


@app.command()
def score(
    context: typer.Context,
    inputs: Inputs,
    out: Out,
    profile: ProfileName = None,
    text_column: ScoredColumn = None,
    format: FromFormat = None,
    id_column: IdColumn = None,
    tokenizer: Tokenizer = None,
    scorers: Scorers = None,
    per_prompt: PerPrompt = None,
    prefer: Prefer = None,
    annotate: Annotate = False,
    skip_unreadable: Skip = False,
    union_columns: Union = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Compute quality signals and remove rows by rules on them.

    OUT/removed says for each row which rules fired, with the figures; OUT/report.html shows every
    signal's distribution and rows on both sides of every threshold. 'thresher select' changes
    thresholds without reading the text again.
    """
    from thresher_jobs.progress import Show
    from thresher_jobs.score import score as run_score
    from thresher_jobs.score_params import ScoreParams
    from thresher_jobs.score_report import print_summary

    params = params_of(ScoreParams, context)
    options = engine_of(context)
    with Show(quiet, json_logs) as show:
        report = run_score(inputs, out, params, options, show)
    if not quiet:
        print_summary(report, quote(out))


@app.command()
def select(
    context: typer.Context,
    scored: Annotated[str, typer.Argument(metavar="SCORED", help="The OUT of 'thresher score'.")],
    out: Out,
    profile: ProfileName = None,
    per_prompt: PerPrompt = None,
    annotate: Annotate = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Apply other rules to scored rows, without computing their signals again.

    Change a threshold with --set rules.NAME.max=0.3, drop a rule with --set rules.NAME=null.
    """
    from thresher_jobs.progress import Show
    from thresher_jobs.score_report import print_summary
    from thresher_jobs.selection import SelectParams
    from thresher_jobs.selection import select as run_select

    params = params_of(SelectParams, context)
    options = engine_of(context)
    with Show(quiet, json_logs) as show:
        report = run_select(scored, out, params, options, show)
    if not quiet:
        print_summary(report, quote(out))


@app.command()
def decontaminate(
    context: typer.Context,
    inputs: Inputs,
    out: Out,
    against: Against,
    preset: PresetName = None,
    action: Action = None,
    text_column: SearchedColumn = None,
    format: FromFormat = None,
    id_column: IdColumn = None,
    skip_unreadable: Skip = False,
    union_columns: Union = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Find and remove the items of benchmarks, and only those.

    OUT/matches names every leaked row and item with the bytes that match; the card holds a
    decontamination record. A benchmark without a usable item is an error.
    """
    from thresher_jobs.decontaminate import decontaminate as run_decontaminate
    from thresher_jobs.decontaminate_params import DecontaminateParams
    from thresher_jobs.decontaminate_report import print_summary
    from thresher_jobs.progress import Show

    params = params_of(DecontaminateParams, context)
    options = engine_of(context)
    if not quiet and not json_logs:  # which items and fields are searched for, before they are
        logging.getLogger("thresher_jobs.decontaminate").setLevel(logging.INFO)
    with Show(quiet, json_logs) as show:
        report = run_decontaminate(inputs, out, params, options, show)
    if not quiet:
        print_summary(report, quote(out))


@app.command("train-classifier")
def train_classifier(
    context: typer.Context,
    good: Annotated[
        list[str], typer.Option("--good", help="Inputs of good texts; may be repeated.")
    ],
    bad: Annotated[list[str], typer.Option("--bad", help="Inputs of bad texts; may be repeated.")],
    out: Annotated[str, typer.Option("--out", help="The model to write.", metavar="FILE.npz")],
    text_column: TaughtColumn = None,
    skip_unreadable: Skip = False,
    config: Config = None,
    settings: Set = None,
) -> None:
    """Train a classifier from good and bad texts, for 'thresher score --scorer FILE.npz'.

    It counts words and pairs of words; how well it tells held-out texts apart is printed.
    """
    from thresher_jobs.train_classifier import TrainParams, print_training
    from thresher_jobs.train_classifier import train_classifier as train

    print_training(train(good, bad, out, params_of(TrainParams, context)), out)


@app.command()
def profile(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The profile to print as YAML.")
    ] = None,
) -> None:
    """List the profiles, or print one to copy and edit."""
    from thresher_jobs.profiles import load_profile, profile_names, profile_text

    if name is not None:
        print(profile_text(name), end="")
        return
    for known in profile_names():
        print(f"{known:<14} {load_profile(known).about}")
