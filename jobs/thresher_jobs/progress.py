"""What a running job shows: a live bar on a terminal, a line a stage otherwise, JSON lines on
request."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from thresher.run import Event
from thresher_jobs.compiling import Compiling

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_MB = 1e6
DONE = "already done, nothing was run: what follows is told of the run that made it"


class Show:
    """A listener for a run; use it as a context manager.

    Args:
        quiet: Show nothing.
        json_logs: Write one JSON object a line to standard error.
        done: Said when a run that is finished came again; empty for what says so itself.
    """

    def __init__(self, quiet: bool = False, json_logs: bool = False, done: str = DONE) -> None:
        self._json = json_logs
        self._done = done
        self._quiet = quiet and not json_logs
        self._live: Progress | None = None
        self._bar: TaskID | None = None
        self._compiling = Compiling(self._say)
        if self._quiet or json_logs:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console: Console = Console(stderr=True, highlight=False)
        if self._console.is_terminal:
            self._live = Progress(
                TextColumn("{task.description:<11}"),
                BarColumn(bar_width=30),
                TextColumn("{task.completed}/{task.total}"),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )

    def __enter__(self) -> Show:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._compiling.close()
        if self._live:
            self._live.stop()
        if self._done and kind is None and not self._quiet:
            if self._json:
                print(json.dumps({"event": "already done"}), file=sys.stderr, flush=True)
            else:
                self._console.print(self._done, soft_wrap=True)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self._done = ""
        if self._quiet:
            return
        if event.kind == "start":
            self._compiling.listen()
        if self._json:
            print(json.dumps({"event": event.kind, **_fields(event)}), file=sys.stderr, flush=True)
        elif event.kind == "end":
            self._end(event)
        elif self._live:
            self._move(event)

    def _say(self, text: str) -> None:
        """Show a line between those of the stages."""
        if self._json:
            print(json.dumps({"event": "compiling", "text": text}), file=sys.stderr, flush=True)
        else:
            (self._live.console if self._live else self._console).print(text, soft_wrap=True)

    def _end(self, event: Event) -> None:
        if self._live and self._bar is not None:
            self._live.remove_task(self._bar)
            self._bar = None
        line = f"{event.stage:<11} {event.done:>5} tasks  {_rate(event)}  {event.seconds:7.2f} s"
        (self._live.console if self._live else self._console).print(line, soft_wrap=True)

    def _move(self, event: Event) -> None:
        assert self._live is not None
        if event.kind == "start" or self._bar is None:
            self._bar = self._live.add_task(event.stage, total=event.total, rate="")
        self._live.update(self._bar, completed=event.done, total=event.total, rate=_rate(event))


def _fields(event: Event) -> dict[str, Any]:
    return {
        "stage": event.stage,
        "tasks_done": event.done,
        "tasks": event.total,
        "rows": event.rows,
        "bytes": event.bytes,
        "seconds": round(event.seconds, 3),
    }


def _rate(event: Event) -> str:
    seconds = max(event.seconds, 1e-3)
    rows, size = event.rows / seconds, event.bytes / _MB / seconds
    return f"{event.rows:>12,} rows  {rows:>12,.0f} rows/s  {size:>8,.1f} MB/s"
