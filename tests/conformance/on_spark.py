"""The `spark` engine of the conformance suite: one session a test process, in folders of its own.

The first engine starts Spark inside this process; another number of workers replaces the session,
and the last one ends with the process. Engines find the session and leave it alone, so that Python
workers stay warm from test to test.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from thresher.engines.options import EngineOptions
from thresher.engines.spark import SparkEngine
from thresher.params import build
from thresher.stage import Engine

ROOT = Path(__file__).parents[2]
# Options of a JVM that lives for seconds: no optimising compiler, no threads of a collector.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def spark_options(workers: int = 0, **spark: object) -> EngineOptions:
    """Return the profile of a Spark engine."""
    return build(EngineOptions, {"engine": "spark", "workers": workers, "spark": spark})


@cache
def own_folder() -> str:
    """Return a folder for all that Spark writes in this process."""
    folder = tempfile.mkdtemp(prefix="thresher-spark-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def own_conf(folder: str) -> dict[str, str]:
    """Return settings that keep Spark inside a folder, and its shuffles small."""
    return {
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={folder} {SHORT_LIVED}",
        "spark.executor.extraJavaOptions": SHORT_LIVED,
    }


def workers_find_tests() -> None:
    """Let Python workers import the stages that tests define."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOT) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, paths)])


class _Held:
    """The engine that holds the session of this process."""

    engine: SparkEngine | None = None
    workers = 0


def end_session() -> None:
    """Stop the session of this process, so that a test may start its own."""
    if _Held.engine is not None:
        _Held.engine.close()
    _Held.engine = None


def end_java() -> None:
    """End the session and its JVM. A local session leaves its secret in the JVM, where it goes
    before the one that a cluster's session is given."""
    from pyspark import SparkContext

    end_session()
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = None
        SparkContext._jvm = None


def hold_session(workers: int) -> Any:
    """Return a session of so many workers, the same one as long as the number is the same."""
    if _Held.engine is None or _Held.workers != workers:
        end_session()
        workers_find_tests()
        _Held.engine = SparkEngine(spark_options(workers, conf=own_conf(own_folder())))
        _Held.workers = workers
        atexit.register(end_session)
    return _Held.engine.session()


def engine(workers: int) -> Engine:
    """Return an engine on the session of this process."""
    hold_session(workers)
    return SparkEngine(spark_options())


ENGINES: dict[str, Callable[[], Engine]] = {
    f"spark-{workers}": partial(engine, workers) for workers in (1, 2, 4)
}
