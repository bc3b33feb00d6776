"""The process that Spark's Python workers are forked from, with our modules loaded.

Spark runs this module instead of its own daemon, so a worker starts in the time of a fork. That
counts where workers die: each failed attempt ends one.
"""

from thresher.engines.attempts import prepare_worker

prepare_worker()

from pyspark.daemon import manager  # noqa: E402

import thresher.engines.spark_tasks  # noqa: E402
import thresher.steps.auditing  # noqa: E402
import thresher.steps.selecting  # noqa: E402, F401

if __name__ == "__main__":
    manager()
