#!/usr/bin/env bash
# Starts a Spark Connect server from pip's pyspark on loopback; Ctrl-C ends it.
#
#     cluster/spark/connect-server.sh 'local[*,4]'
#     thresher dedup data/ --out clean --cluster cluster/spark/connect.yaml
#
# Whoever reaches a Connect server runs code as its user. It is bound to loopback and asks for a
# token; from elsewhere go through `ssh -L 15002:127.0.0.1:15002`, or a proxy that speaks TLS.
set -euo pipefail
master=${1:-local[*,4]}
: "${SPARK_CONNECT_AUTHENTICATE_TOKEN:?a secret, the same for server and client}"
here=$(cd "$(dirname "$0")" && pwd)
export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$(command -v python3)}
exec spark-submit --master "$master" --properties-file "$here/spark-defaults.conf" \
  --conf spark.connect.grpc.binding.address=127.0.0.1 \
  --conf spark.connect.grpc.binding.port=15002 \
  --class org.apache.spark.sql.connect.service.SparkConnectServer spark-internal
