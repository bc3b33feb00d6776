"""The run: one output folder, its identity, its stages, its state.

A run is begun by claiming the folder for one configuration and one set of inputs; the same run may
come again and resumes, any other is refused with what differs. Stages run through an engine; tasks
with a receipt are not done again. `status.json` always tells how things stand; `manifest.json` is
written last, and without it there is no result.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from thresher.engines.options import EngineOptions
from thresher.errors import (
    ConfigError,
    InputError,
    InternalError,
    LimitError,
    PlaceError,
    Stopped,
    ThresherError,
    from_os_error,
)
from thresher.identity import difference
from thresher.stage import EXCHANGED, WORK, Engine, Receipt, Stage, load_receipt
from thresher.store import TEMPORARY, Store
from thresher.whole import is_whole

logger = logging.getLogger(__name__)
T = TypeVar("T")

MANIFEST = "manifest.json"
STATUS = "status.json"
IDENTITY = f"{WORK}/run.json"


@dataclass(frozen=True)
class StageRecord:
    """What one stage took; goes into the report, never into the manifest.

    `exchanged` counts the bytes of the values that an exchange brought to its reducers.
    """

    name: str
    kind: str
    tasks: int
    resumed: int
    rows: int
    bytes: int
    exchanged: int
    seconds: float


@dataclass(frozen=True)
class Event:
    """Something to show: `kind` is 'start', 'progress' or 'end' of a stage."""

    kind: str
    stage: str
    done: int
    total: int
    rows: int
    bytes: int
    seconds: float


Listener = Callable[[Event], None]


class Planting(Protocol):
    """What earlier runs have left of a stage."""

    def plant(self, store: Store, stage: Stage) -> Mapping[int, Receipt]:
        """Begin to put files of earlier runs into the stage's folder; return the receipts of tasks
        that need not be run, by number. Other stages read no file but those that are put there."""

    def placed(self) -> None:
        """Wait until all files are there."""


@dataclass
class Run:
    """One job over one output folder.

    Args:
        store: The output folder.
        engine: Where stages run.
        listener: Called as work goes on, from the driver's thread.
        planting: What earlier runs have left.
    """

    store: Store
    engine: Engine
    listener: Listener | None = None
    planting: Planting | None = None
    records: list[StageRecord] = field(default_factory=list)
    _beside: list[Future[Any]] = field(default_factory=list)
    _claimed: bool = False
    _locked: int | None = None

    def claim(self, identity: Mapping[str, Any]) -> bool:
        """Take the folder for this run; return True when the result is already complete.

        Args:
            identity: JSON values that say what the run is made of: job, version, parameters,
                inputs.

        Raises:
            ConfigError: The folder holds something else, or another run's work.
        """
        root = Path(self.store.root)
        value = json.loads(json.dumps(identity, default=str))
        if root.exists() and not root.is_dir():
            raise ConfigError("the output is a file, not a folder", path=str(root))
        above = next((parent for parent in root.parents if parent.exists()), root)
        if above.exists() and not above.is_dir():
            raise ConfigError(
                f"the output would lie in {above}, which is a file",
                path=str(root),
                remedy="choose another --out",
            )
        if self.store.exists(IDENTITY):
            other = self.store.get_json(IDENTITY)
            if other != value:
                raise ConfigError(
                    f"the output folder belongs to another run: {difference(other, value)}",
                    path=str(root),
                    remedy="choose another --out, or remove the folder",
                )
        else:
            if not self._free():
                raise ConfigError(
                    "the output folder is not empty and not one of ours",
                    path=str(root),
                    remedy="choose another --out",
                )
            self.store.put_json(IDENTITY, value)
        self._lock(root)
        self._claimed = True
        complete = self.store.exists(MANIFEST)
        if complete and not is_whole(self.store, MANIFEST):
            logger.warning("%s: files of the result are gone or cut; making them again", root)
            self.store.remove(MANIFEST)
            complete = False
        if complete and self.store.names(WORK) != [IDENTITY]:
            self._finish()  # the run before was killed between its manifest and its end
        return complete

    def _lock(self, root: Path) -> None:
        """Take the folder for this process; the lock goes with the process, however it ends.

        Raises:
            ConfigError: Another process is at work here.
        """
        handle = os.open(root, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                logger.warning("%s: no lock to be had here (%s)", root, error)
                return
            raise ConfigError(
                "another run is writing this output folder", path=str(root), remedy="wait for it"
            ) from error
        self._locked = handle

    def _unlock(self) -> None:
        if self._locked is not None:
            os.close(self._locked)
            self._locked = None

    def _free(self) -> bool:
        """Say whether the folder is absent, empty, or holds only what a failed start left."""
        root = Path(self.store.root)
        if not root.exists():
            return True
        return not self.store.exists(IDENTITY) and all(
            entry.name in (STATUS, WORK) or entry.name.startswith(TEMPORARY)
            for entry in root.iterdir()
        )

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Turn what goes wrong inside into an error of ours, and let `status.json` tell it.

        A folder that is neither free nor this run's is left untouched.
        """
        try:
            yield
        except KeyboardInterrupt as error:
            stopped = Stopped(signal.SIGINT)
            self._record("stopped", stopped)
            raise stopped from error
        except Stopped as error:
            self._record("stopped", error)
            raise
        except PlaceError:
            raise
        except (ConfigError, InputError, LimitError) as error:
            self._record("failed", error)
            self._release()
            raise
        except ThresherError as error:
            self._record("failed", error)
            raise
        except (OSError, MemoryError, pa.ArrowMemoryError) as error:
            ours = from_os_error(error)
            self._record("failed", ours)
            raise ours from error
        except Exception as error:
            ours = InternalError(
                f"{type(error).__name__}: {error}", remedy="please report this bug"
            )
            self._record("failed", ours)
            raise ours from error
        finally:
            try:
                wait(self._beside)
                self.engine.close()
            finally:
                self.store.memo.clear()
                self._unlock()

    def _release(self) -> None:
        """Let the corrected command use the folder, as long as no row was written.

        Stage files stay: they are named by what they are made of, so the next run uses what fits.
        """
        if self._claimed and not self.store.exists("data"):
            self.store.remove(IDENTITY)

    def _record(self, state: str, error: ThresherError) -> None:
        """Write the status where we may; a full disk or a refused folder must not hide the first
        error."""
        if not (self._claimed or self._free_quietly()):
            return
        try:
            self.state(state, error)
        except ThresherError as second:
            logger.warning("status.json could not be written: %s", second)

    def _free_quietly(self) -> bool:
        root = Path(self.store.root)
        return (root.parent.is_dir() and os.access(root.parent, os.W_OK)) and (
            not root.exists() or (root.is_dir() and self._free())
        )

    def state(self, state: str, error: ThresherError | None = None, **facts: Any) -> None:
        """Write `status.json`: running, done, failed or stopped, with the exit code."""
        value: dict[str, Any] = {"state": state, "exit_code": None, "pid": os.getpid(), **facts}
        if error is not None:
            value["exit_code"] = error.exit_code
            value["error"] = {"type": type(error).__name__, "message": str(error)}
        elif state == "done":
            value["exit_code"] = 0
        value["stages"] = [vars(record) for record in self.records]
        self.store.put_json(STATUS, value)

    def execute(self, stage: Stage) -> list[Receipt]:
        """Run a stage to its end and return all receipts in order of their number.

        Raises:
            InternalError: A receipt is missing at the end; absent never counts as empty.
        """
        start = time.monotonic()
        numbers = _unit_numbers(stage)
        receipts: dict[int, Receipt] = {}
        # Before it is looked into: a network file system remembers what was absent.
        self.store.path(stage.folder).mkdir(parents=True, exist_ok=True)
        if self.planting is not None:
            receipts |= self.planting.plant(self.store, stage)
        for number in [n for n in numbers if n not in receipts]:
            receipt = load_receipt(self.store, stage.folder, number)
            if receipt is not None:
                receipts[number] = receipt
        resumed = len(receipts)
        rows = size = 0
        self._tell("start", stage, resumed, 0, 0, start)

        def done(receipt: Receipt) -> None:
            nonlocal rows, size
            receipts[receipt.task] = receipt
            rows += receipt.rows_in
            size += receipt.bytes_in
            self._tell("progress", stage, len(receipts), rows, size, start)

        missing = [number for number in numbers if number not in receipts]
        with contextlib.ExitStack() as at_end:
            if self.planting is not None:
                at_end.callback(self.planting.placed)
            if missing and stage.kind == "map":
                by_index = {task.index: task for task in stage.tasks}
                self.engine.run_map(self.store, stage, [by_index[n] for n in missing], done)  # type: ignore[arg-type]
            elif missing:
                self.engine.run_exchange(self.store, stage, missing, done)  # type: ignore[arg-type]
        absent = [n for n in numbers if n not in receipts]
        if absent:
            raise InternalError(f"stage {stage.name}: no receipt from {absent[:5]}")
        seconds = time.monotonic() - start
        ordered = [receipts[n] for n in numbers]
        self.records.append(
            StageRecord(
                stage.name,
                stage.kind,
                len(numbers),
                resumed,
                sum(r.rows_in for r in ordered),
                sum(r.bytes_in for r in ordered),
                sum(r.facts.get(EXCHANGED, 0) for r in ordered),
                seconds,
            )
        )
        self._tell("end", stage, len(numbers), rows, size, start)
        logger.debug(
            "stage %s: %d tasks, %d resumed, %.2f s", stage.name, len(numbers), resumed, seconds
        )
        return ordered

    def beside(self, work: Callable[[Run], T]) -> Callable[[], T]:
        """Begin stages whose outcome only the report wants; return what waits for it.

        They are run at once unless the engine has threads of this process to spare for them.
        """
        if self.engine.name != "local":
            found = work(self)
            return lambda: found
        quiet = Run(self.store, self.engine)
        pool = ThreadPoolExecutor(1)
        outcome = pool.submit(work, quiet)
        pool.shutdown(wait=False)
        self._beside.append(outcome)

        def outcome_of() -> T:
            value = outcome.result()
            self.records += quiet.records
            return value

        return outcome_of

    def begin_output(self) -> None:
        """Say that rows are about to be written: from here on the folder stays this run's, since
        attempts that outlive it may still write parts."""
        self.store.path("data").mkdir(exist_ok=True)

    def commit(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, which makes the result; then drop the stage files."""
        if self.planting is not None:
            self.planting.placed()
        self.store.put_json(MANIFEST, manifest)
        self._finish()

    def _finish(self) -> None:
        """Say that the result is there, and drop stage files and what killed writers left."""
        self.state("done")
        self.store.sweep()
        for name in {*self.store.names(WORK)} - {IDENTITY}:
            self.store.remove(name)

    def _tell(self, kind: str, stage: Stage, done: int, rows: int, size: int, start: float) -> None:
        if self.listener is not None:
            total = len(_unit_numbers(stage))
            seconds = time.monotonic() - start
            self.listener(Event(kind, stage.name, done, total, rows, size, seconds))


def _unit_numbers(stage: Stage) -> list[int]:
    if stage.kind == "map":
        return [task.index for task in stage.tasks]
    return list(range(stage.partitions))  # type: ignore[union-attr]


def open_run(out: str, options: EngineOptions, listener: Listener | None = None) -> Run:
    """Prepare a run over the folder `out`; nothing is written yet.

    Raises:
        ConfigError: `out` is not a local folder.
    """
    from thresher.engines import make_engine

    if "://" in out:
        raise ConfigError(
            f"--out {out}: results are written to a local folder", remedy="copy them on from there"
        )
    return Run(Store(str(Path(out).absolute())), make_engine(options), listener)
