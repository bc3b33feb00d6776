#!/usr/bin/env bash
# Submit one job to a Ray cluster, with this wheel, and follow it to its end.
#
#     export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=ray-token
#     cluster/ray/submit.sh dedup /shared/in --out /shared/out [--cluster FILE ...]
#
# Ray ends with 1 whatever went wrong; OUT/status.json has thresher's own exit code. The same command
# resumes. RAY_API_SERVER_ADDRESS is the dashboard, by default the tunnel that `ray dashboard` opens.
set -euo pipefail

: "${RAY_AUTH_MODE:=token}"
export RAY_AUTH_MODE
exec ray job submit \
    --address "${RAY_API_SERVER_ADDRESS:-http://127.0.0.1:8265}" \
    --runtime-env "$(dirname "$0")/runtime-env.yaml" \
    -- python -m thresher_jobs.cli "$@" --engine ray
