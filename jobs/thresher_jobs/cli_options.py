"""The options that the jobs' commands share, with their help: one name means one thing."""

from __future__ import annotations

from typing import Annotated

import typer

from thresher.formats.names import FORMAT_NAMES, TRAINERS

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Files, folders, globs or protocol:// addresses: Parquet, JSON lines, JSON arrays, "
        "CSV (plain, gzip, zstd), folders saved by datasets. Earlier ones have priority.",
    ),
]
Out = Annotated[str, typer.Option("--out", help="The one folder to write.", metavar="DIR")]
TextColumn = Annotated[
    str | None, typer.Option(help="Column that is compared. [default: text]", metavar="NAME")
]
ScoredColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column",
        help="Column of the texts, where rows are no conversations. [default: text]",
        metavar="NAME",
    ),
]
TaughtColumn = Annotated[
    str | None,
    typer.Option("--text-column", help="Column of the texts. [default: text]", metavar="NAME"),
]
Columns = Annotated[
    str | None,
    typer.Option(help="Several columns, compared as one text joined by newlines.", metavar="A,B,C"),
]
IdColumn = Annotated[
    str | None, typer.Option(help="Column with the rows' own ids.", metavar="NAME")
]
Method = Annotated[str | None, typer.Option(help="minhash, exact or bloom. [default: minhash]")]
Threshold = Annotated[
    float | None,
    typer.Option(help="Jaccard similarity from which rows are near copies. [default: 0.7]"),
]
Clusters = Annotated[str | None, typer.Option(help="greedy or transitive. [default: greedy]")]
Keep = Annotated[
    str | None,
    typer.Option(
        help="Who stays: first (of an earlier INPUT; ties fall by content), longest, best:COLUMN, "
        "newest:COLUMN. [default: first]"
    ),
]
Skip = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave unreadable files out, named in the report.")
]
Union = Annotated[
    bool, typer.Option("--union-columns", help="Let files lack columns that others have.")
]
Config = Annotated[
    str | None, typer.Option(help="YAML file with parameters of the job.", metavar="FILE")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any parameter of the job; may be repeated.", metavar="KEY=VALUE"),
]
EngineName = Annotated[
    str | None, typer.Option("--engine", help="local, ray or spark. [default: local]")
]
Workers = Annotated[int | None, typer.Option(help="Tasks at once. [default: all cores]", min=0)]
Cluster = Annotated[str | None, typer.Option(help="Cluster profile: where to run.", metavar="FILE")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]
JsonLogs = Annotated[bool, typer.Option("--json-logs", help="Progress as JSON lines.")]
Result = Annotated[str, typer.Argument(metavar="OUT", help="A folder that a job has written.")]
To = Annotated[
    str | None,
    typer.Option(
        help=f"What to write. For trainers: {', '.join(TRAINERS)}. "
        f"Bare formats: {', '.join(FORMAT_NAMES)}.",
        metavar="FORMAT",
    ),
]
FromFormat = Annotated[
    str | None,
    typer.Option("--format", help="Format of the inputs. [default: detected]", metavar="FORMAT"),
]
ChatTemplate = Annotated[
    str | None,
    typer.Option(
        "--template", help="Render as text: chatml, llama3 or a Jinja file.", metavar="NAME|FILE"
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="A profile's name (see 'thresher profile') or a YAML file. [default: by the format]",
        metavar="NAME|FILE",
    ),
]
Annotate = Annotated[
    bool,
    typer.Option("--annotate", help="Remove nothing: signals and verdict beside every row."),
]
PerPrompt = Annotated[
    int | None, typer.Option(help="Keep at most this many answers to one prompt.", metavar="K")
]
Prefer = Annotated[
    str | None,
    typer.Option(
        help="Which of several answers ranks first: first, longest, shortest, best:NAME, "
        "worst:NAME, order:COLUMN=A,B,C. [default: first]",
        metavar="ORDER",
    ),
]
Scorers = Annotated[
    list[str] | None,
    typer.Option(
        "--scorer",
        help="A model whose scores become signals: package.module:factory or a model file; may be "
        "repeated.",
        metavar="MODEL",
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(help="A tokenizer.json to count tokens with. [default: none]", metavar="FILE"),
]
On = Annotated[
    str | None,
    typer.Option(
        help="Compare this part of each row, whatever its format, instead of columns: prompt, "
        "response, conversation or all (with the tools).",
        metavar="PART",
    ),
]
LossSpans = Annotated[
    bool,
    typer.Option("--loss-spans", help="With --template: mark the characters the loss falls on."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop (exit 4) when the target cannot hold everything.")
]
Against = Annotated[
    list[str],
    typer.Option(
        "--against",
        help="Benchmarks: a benchmarks.yaml, NAME=PATH for one that is known (gsm8k=FILE), or "
        "files, whose fields are guessed and shown; may be repeated.",
        metavar="SPEC",
    ),
]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="The rule: default, strict, audit, gpt3, tulu3, openr1, deepseek, qwen25, phi4, "
        "llama2, decon, paloma. [default: default]",
        metavar="NAME",
    ),
]
Action = Annotated[
    str | None,
    typer.Option("--action", help="drop, truncate, cut or tag. [default: drop]", metavar="ACTION"),
]
SearchedColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column", help="Search this column instead of the rows' texts.", metavar="NAME"
    ),
]
