#!/usr/bin/env bash
# Submits a job to a standalone Spark cluster.
#
#     export SPARK_CONF_DIR=conf          # a private copy of spark-defaults.conf with the secret
#     cluster/spark/submit-standalone.sh spark://master:7077 dedup data/ --out /shared/clean
#
# Driver and workers run the Python of this machine (same path on every node). To ship an
# environment instead: export THRESHER_ENV=thresher-env.tar.gz (see pack-environment.sh).
# Progress, the summary and the exit code arrive here.
set -euo pipefail
master=${1:?usage: submit-standalone.sh MASTER JOB ARGUMENT...}
shift
: "${SPARK_CONF_DIR:?a folder with your private spark-defaults.conf}"
program=$(python3 -c 'import thresher_jobs.cli as cli; print(cli.__file__)')
shipped=()
if [ -n "${THRESHER_ENV:-}" ]; then
  shipped=(--archives "$THRESHER_ENV#environment")
  export PYSPARK_DRIVER_PYTHON PYSPARK_PYTHON=./environment/bin/python
  PYSPARK_DRIVER_PYTHON=$(command -v python3)
fi
exec spark-submit --master "$master" --deploy-mode client "${shipped[@]}" "$program" "$@" \
  --engine spark
