#!/usr/bin/env bash
# Submits a job to Kubernetes; the driver runs in a pod of its own.
#
#     export THRESHER_IMAGE=registry.example/thresher:0.1.0
#     cluster/spark/submit-kubernetes.sh https://api.example:6443 \
#         dedup /shared/data --out /shared/clean
#
# The claim `thresher-shared` (ReadWriteMany) is mounted at /shared in every pod; the service account
# `spark` of the namespace may create pods. spark-submit waits for the driver; its exit code is
# in the driver pod's status and in OUT/status.json.
set -euo pipefail
server=${1:?usage: submit-kubernetes.sh SERVER JOB ARGUMENT...}
shift
: "${THRESHER_IMAGE:?an image with thresher, see ../image/Containerfile}"
here=$(cd "$(dirname "$0")" && pwd)
namespace=${THRESHER_NAMESPACE:-thresher}
claim=spark.kubernetes
options=()
for role in driver executor; do
  volume=$claim.$role.volumes.persistentVolumeClaim.shared
  options+=(--conf "$volume.options.claimName=thresher-shared" --conf "$volume.mount.path=/shared")
done
exec spark-submit --master "k8s://$server" --deploy-mode cluster --name thresher \
  --properties-file "$here/spark-defaults.conf" \
  --conf "spark.kubernetes.namespace=$namespace" \
  --conf "spark.kubernetes.container.image=$THRESHER_IMAGE" \
  --conf spark.kubernetes.authenticate.driver.serviceAccountName=spark \
  --conf spark.executor.instances=4 \
  "${options[@]}" \
  local:///usr/local/lib/python3.11/site-packages/thresher_jobs/cli.py "$@" --engine spark
