#!/usr/bin/env bash
# Submits a job to YARN; the driver runs here, the executors in containers.
#
#     export THRESHER_ENV=thresher-env.tar.gz        # see pack-environment.sh
#     cluster/spark/submit-yarn.sh dedup /shared/data --out /shared/clean
#
# OUT must be a path that all nodes mount (NFS, or HDFS through its NFS gateway or FUSE). A container
# that passes its memory is killed with exit code 137, which ends as exit 6 naming the partition.
set -euo pipefail
: "${THRESHER_ENV:?an archive made by pack-environment.sh}"
here=$(cd "$(dirname "$0")" && pwd)
program=$(python3 -c 'import thresher_jobs.cli as cli; print(cli.__file__)')
export PYSPARK_DRIVER_PYTHON PYSPARK_PYTHON=./environment/bin/python
PYSPARK_DRIVER_PYTHON=$(command -v python3)
exec spark-submit --master yarn --deploy-mode client --name thresher \
  --properties-file "$here/spark-defaults.conf" \
  --archives "$THRESHER_ENV#environment" \
  --conf spark.executor.instances=4 \
  "$program" "$@" --engine spark
