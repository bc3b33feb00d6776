"""The Spark engine: DataFrames and `mapInArrow` alone, so that Spark Connect works.

A map stage is `range(n)` with one row a Spark task. An exchange is `range(n)` whose tasks emit
(partition, batch) rows, `repartitionById`, which is Spark's own shuffle with its spilling, and one
reducer a partition. What a worker returns is a receipt; data stays between the workers and the
store. A final error travels as a row, because Spark would repeat an exception four times and then
bury it in a Java trace: an emit sends it to every partition, so that no reducer takes what came for
all there is. The job runs in a thread; the driver's main thread watches the store for receipts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as Late
from functools import partial
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from thresher.engines.attempts import Order, decode_receipt, lift_order, place_order
from thresher.engines.java import find_java
from thresher.engines.options import EngineOptions
from thresher.engines.spark_job import (
    POLL_SECONDS,
    STOP_SECONDS,
    Watch,
    cancel,
    collect,
    in_thread,
    within,
)
from thresher.engines.spark_session import (
    INSTALL,
    RUNTIME,
    accept_pandas,
    check_reachable,
    explain,
    no_workers,
    prepare_environment,
    root_cause,
    settings,
)
from thresher.engines.spark_tasks import (
    RESULT,
    SHUFFLED,
    Work,
    emit_rows,
    map_rows,
    reduce_rows,
    ship,
)
from thresher.errors import EngineError, ThresherError
from thresher.stage import (
    ExchangeStage,
    MapStage,
    Progress,
    Stage,
    Task,
)
from thresher.store import Store

logger = logging.getLogger(__name__)


class SparkEngine:
    """Runs stages as Spark jobs.

    Args:
        options: Where; a session that is there already is used and left.
        session: The session to use, where the caller holds one.
    """

    name = "spark"

    def __init__(self, options: EngineOptions, session: Any = None) -> None:
        self.workers = options.resolved_workers()
        self._options = options
        self._given = session
        self._spark: Any = None
        self._owned = False

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        """Run the given tasks of a map stage, one Spark task each."""
        numbers = [task.index for task in tasks]
        with self._running(store, stage) as (spark, order):
            work = ship(order, stage, tasks, _dumps())
            self._drive(
                order,
                stage,
                "task",
                numbers,
                done,
                lambda: _tasks(spark, len(tasks)).mapInArrow(partial(map_rows, work), RESULT),
            )

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        """Emit with every task, shuffle, and reduce the given partitions."""
        with self._running(store, stage) as (spark, order):
            emits = ship(order, stage, stage.tasks, _dumps())
            reduces = Work(emits.common, ())
            self._drive(
                order,
                stage,
                "reduce",
                partitions,
                done,
                lambda: (
                    _tasks(spark, len(stage.tasks))
                    .mapInArrow(partial(emit_rows, emits, partitions), SHUFFLED)
                    .repartitionById(len(partitions), "partition")
                    .mapInArrow(partial(_reduce, reduces, partitions), RESULT)
                ),
            )

    def close(self) -> None:
        """Stop the session if this engine made it."""
        spark, self._spark = self._spark, None
        if spark is not None and self._owned:
            try:
                within(STOP_SECONDS, spark.stop)
            except Exception as error:  # noqa: BLE001 - it may be gone, and the run has ended
                logger.debug("Spark could not be stopped: %s", error)
            if self._options.spark.remote:  # else this process could never start Spark itself
                os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)

    @contextlib.contextmanager
    def _running(self, store: Store, stage: Stage) -> Iterator[tuple[Any, Order]]:
        spark = self.session()
        with _runtime_settings(spark, lent=not self._owned):
            order = place_order(store, stage, self._options.attempts)
            try:
                yield spark, order
            finally:
                lift_order(order)

    def _drive(
        self,
        order: Order,
        stage: Stage,
        kind: str,
        wanted: Sequence[int],
        done: Progress,
        build: Callable[[], Any],
    ) -> None:
        """Run one Spark job, watch the receipts come, and end the job when the driver must end."""
        watch = Watch(order, stage, kind, set(wanted), done)
        tag = f"thresher-{order.token}"
        job = in_thread(partial(collect, self._spark, tag, build))
        try:
            self._await(job, watch)
        finally:
            if not job.done():
                cancel(self._spark, tag, job)
        error = job.exception()
        watch.refuse_failed()
        if isinstance(error, ImportError):
            raise EngineError(f"Spark misses a package: {error}", remedy=INSTALL) from error
        if error is not None:
            raise explain(str(error), order, watch.finished()) from error
        for _, receipt in job.result():
            watch.tell(decode_receipt(bytes(receipt)))

    def _await(self, job: Future[Any], watch: Watch) -> None:
        moved = time.monotonic()
        while job not in wait([job], POLL_SECONDS).done:
            watch.refuse_failed()
            if watch.look():
                moved = time.monotonic()
            if time.monotonic() - moved > self._options.stall_seconds:
                raise EngineError(
                    f"stage {watch.stage.name}: no task ended for {self._options.stall_seconds} s",
                    remedy="see that the cluster has free workers, or raise stall_seconds",
                )

    def session(self) -> Any:
        """Return the session, begun or joined if need be.

        Raises:
            EngineError: Spark, Java, a package or the cluster is not there.
        """
        accept_pandas()
        if self._spark is None:
            for package in ("pyspark", "pandas"):
                if find_spec(package) is None:
                    raise EngineError(
                        f"the spark engine needs {package}, which is not installed", remedy=INSTALL
                    )
            self._spark, self._owned = self._begin()
        return self._spark

    def _begin(self) -> tuple[Any, bool]:
        """Return the session that is there, or a new one; and whether it is ours to stop."""
        running = self._given or _running_session()
        if running is not None:
            no_workers(self._options, "the running Spark session")
            self.workers = _slots(running)
            return running, False
        remote = self._options.spark.remote
        if remote:
            no_workers(self._options, "the Connect server")
            check_reachable(remote)
        start = partial(_start_remote, remote) if remote else partial(_start, self._options)
        try:
            spark = within(float(self._options.stall_seconds), start)
        except ThresherError:
            raise
        except Late as error:
            raise EngineError(
                f"Spark did not start in {self._options.stall_seconds} s",
                remedy="see that the cluster has free resources",
            ) from error
        except ImportError as error:
            raise EngineError(f"Spark misses a package: {error}", remedy=INSTALL) from error
        except Exception as error:
            raise EngineError(
                f"Spark does not start: {root_cause(str(error))}",
                remedy="set THRESHER_DEBUG=1 to see all that Spark says",
            ) from error
        self.workers = _slots(spark)
        return spark, True


def _tasks(spark: Any, num: int) -> Any:
    return spark.range(0, num, 1, num)


# ---- sessions


def _running_session() -> Any:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is None and SparkContext._active_spark_context is not None:
        return SparkSession.builder.getOrCreate()  # started by another thread
    return active


def _slots(spark: Any) -> int:
    """Return how many tasks run at once, 1 where a Connect server does not say."""
    context = getattr(spark, "_sc", None)
    return int(context.defaultParallelism) if context is not None else 1


def _start_remote(remote: str) -> Any:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote(remote).create()
    for name, value in RUNTIME.items():
        spark.conf.set(name, value)
    return spark


def _start(options: EngineOptions) -> Any:
    """Start Spark in this process, on whatever master the options and spark-submit name."""
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    if not hasattr(SparkSession, "addTag"):
        raise EngineError("pyspark is older than 4.1", remedy=INSTALL)
    if SparkContext._gateway is None:
        _launch(options)
    conf = SparkConf()
    known = dict(conf.getAll())
    if known.get("spark.app.name") == "pyspark-shell":
        del known["spark.app.name"]  # nobody's choice
    chosen = settings(options, known)
    check_reachable(chosen["spark.master"])
    prepare_environment({**known, **chosen})
    for name, value in {**RUNTIME, **chosen}.items():
        conf.set(name, value)
    return SparkSession.builder.config(conf=conf).getOrCreate()


_SECRET = re.compile(r"secret|password|token|key", re.IGNORECASE)


def _launch(options: EngineOptions) -> None:
    """Start the JVM, or join the one that spark-submit has started.

    What a JVM of ours prints goes to a file without a name, and its end into the error: a Java
    trace helps nobody who did not ask for it.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    if "PYSPARK_GATEWAY_PORT" in os.environ:
        SparkContext._ensure_initialized()
        return
    os.environ.update(find_java(os.environ))
    first = settings(options, {})
    prepare_environment(first)
    conf = SparkConf(loadDefaults=False)
    for name in first:
        # These become the command line of the JVM, which every user of the machine can read; all
        # other settings reach the session without it.
        if name.startswith(("spark.driver.", "spark.jars")) and not _SECRET.search(name):
            conf.set(name, first[name])
    with tempfile.TemporaryFile() as log:
        shown = {} if os.environ.get("THRESHER_DEBUG") else {"stderr": log}
        try:
            gateway = launch_gateway(conf, shown)  # type: ignore[no-untyped-call]
        except Exception as error:
            log.seek(0)
            said = log.read().decode(errors="replace")
            raise EngineError(f"Java does not start: {root_cause(said or str(error))}") from error
    SparkContext._ensure_initialized(gateway=gateway)
    for name, _ in conf.getAll():  # else they would be defaults of every later session, too
        gateway.jvm.java.lang.System.clearProperty(name)


@contextlib.contextmanager
def _runtime_settings(spark: Any, lent: bool) -> Iterator[None]:
    """Set what a stage needs in a session that is not ours, and put it back."""
    before = {name: spark.conf.get(name, None) for name in RUNTIME} if lent else {}
    for name in before:
        spark.conf.set(name, RUNTIME[name])
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value) if value is not None else spark.conf.unset(name)


# ---- on the workers


def _dumps() -> Callable[[Any], bytes]:
    from pyspark import cloudpickle

    dumps: Callable[[Any], bytes] = cloudpickle.dumps
    return dumps


def _place() -> int:
    """Return the number of the Spark partition that this worker is on."""
    from pyspark import TaskContext

    context = TaskContext.get()
    assert context is not None
    return context.partitionId()


def _reduce(
    work: Work, partitions: Sequence[int], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    return reduce_rows(work, partitions, _place(), batches)
