"""The command line. Every job has one form: `thresher JOB INPUT... --out DIR`; exit codes say which
kind of trouble."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

import thresher
from thresher.errors import InternalError, Stopped, ThresherError, from_os_error
from thresher.spared import leave
from thresher_jobs import mix_command as _mix_command  # noqa: F401 - its command
from thresher_jobs import rebuild_command as _rebuild_command  # noqa: F401 - its command
from thresher_jobs import run_command as _run_command  # noqa: F401 - its commands
from thresher_jobs import split_command as _split_command  # noqa: F401 - its command
from thresher_jobs import versions_command as _versions_command  # noqa: F401 - its commands
from thresher_jobs.cli_options import Result
from thresher_jobs.cli_params import Process
from thresher_jobs.commands import app
from thresher_jobs.plan_commands import plan_app

app.add_typer(plan_app, name="plan")


@app.command(context_settings={"ignore_unknown_options": True})
def explain(
    out: Result, row_id: Annotated[str, typer.Argument(help="A row id, as in _row_id.")]
) -> None:
    """Say what became of a row and why; after dedup, with the pair side by side."""
    from thresher_jobs.explain import explain as explain_row

    for line in explain_row(out, row_id):
        print(line)


@app.command()
def verify(out: Result) -> None:
    """Recompute all hashes, count all rows, and re-check every removal's similarity."""
    from thresher_jobs.verify import verify as verify_result

    for line in verify_result(out):
        print(line)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="REPORT_A", help="OUT of a run, or report.json.")],
    second: Annotated[str, typer.Argument(metavar="REPORT_B", help="The same of a later run.")],
) -> None:
    """Say how two runs of one job differ: rows, sources, settings; leaked items one by one."""
    from thresher_jobs.compare import compare as compare_runs

    for line in compare_runs(first, second):
        print(line)


@app.command()
def report(out: Result) -> None:
    """Build report.html again from report.json."""
    from thresher.report import Report, render
    from thresher.result import open_result

    result = open_result(out)
    page = render(Report.model_validate(result.report()))
    result.store.put("report.html", page.encode())
    print(result.store.path("report.html"))


@app.command()
def demo(
    out: Annotated[
        str, typer.Option("--out", help="Folder to write.", metavar="DIR")
    ] = "thresher-demo",
    rows: Annotated[
        int, typer.Option(help="Rows of the made-up corpus.", min=500, max=1_000_000)
    ] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the corpus.")] = 0,
) -> None:
    """Make a corpus with planted copies, clean it, and show what was found beside what was
    planted."""
    from thresher_jobs.demo import run_demo

    run_demo(out, rows, seed)


@app.command()
def doctor(
    out: Annotated[
        str, typer.Option("--out", help="A folder that results go to.", metavar="DIR")
    ] = ".",
    store: Annotated[
        str | None,
        typer.Option(
            help="A --store of 'thresher rebuild' to try: a folder or s3://bucket/prefix. "
            "[default: none]",
            metavar="STORE",
        ),
    ] = None,
    single_writer: Annotated[
        bool,
        typer.Option("--single-writer", help="Nobody else writes to STORE. [default: others may]"),
    ] = False,
) -> None:
    """Say what is installed, and whether a folder can hold results, or a store versions."""
    from thresher_jobs.doctor import examine
    from thresher_jobs.versions import examine_store

    for line in examine(out):
        print(line)
    if store is not None:
        for line in examine_store(store, single_writer=single_writer):
            print(line)


def _version(value: bool) -> None:
    if value:
        print(f"thresher {thresher.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command as a whole."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def main() -> None:
    """Run the command line; a failure ends at once, threads that still work must not hold the exit
    up."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    code = run(alone=True)
    sys.stdout.flush()
    if code:
        os._exit(code)
    leave(code)


def run(arguments: Sequence[str] | None = None, *, alone: bool = False) -> int:
    """Run one command and return its exit code; errors become one line on standard error.

    Args:
        arguments: Those of the process if absent.
        alone: Whether the process ends with the command, so that nobody else uses what it loads.
    """
    try:
        app(arguments, obj=Process(alone))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except (KeyboardInterrupt, Stopped) as error:
        return _tell(error if isinstance(error, Stopped) else Stopped(signal.SIGINT))
    except ThresherError as error:
        return _tell(error)
    except (OSError, MemoryError) as error:
        return _tell(from_os_error(error))
    except Exception as error:
        if os.environ.get("THRESHER_DEBUG"):
            raise
        return _tell(
            InternalError(f"{type(error).__name__}: {error}", remedy="please report this bug")
        )
    return 0


def _tell(error: ThresherError) -> int:
    if os.environ.get("THRESHER_DEBUG"):
        logging.getLogger(__name__).error("traceback", exc_info=error)
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return error.exit_code


if __name__ == "__main__":
    main()
