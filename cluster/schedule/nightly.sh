#!/usr/bin/env bash
# One night, for cron and systemd: rebuilds the data set, leaves metrics, tells whom it concerns.
#
#     nightly.sh RECIPE STORE [what else `thresher rebuild` takes]
#
# THRESHER_ALERT    a shell command that gets a message on its standard input when a night fails,
#                   such as: mail -s "$THRESHER_SUBJECT" data-team@example.org
# THRESHER_METRICS  a folder that Prometheus' node exporter reads (--collector.textfile.directory):
#                   one file about the night, one about the store (`thresher rebuild --metrics`)
#
# The exit code is that of `thresher rebuild`. Two nights at once do no harm: the second waits for
# the first, or plans again on top of what it committed.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: nightly.sh RECIPE STORE [ARGUMENT...]" >&2
    exit 2
fi
recipe=$1 store=$2
shift 2
case $store in *://* | /*) address=${store%/} ;; *) address=$PWD/${store%/} ;; esac
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap : TERM INT  # thresher gets the signal too and ends; what follows here is still told

if [ -n "${THRESHER_METRICS:-}" ]; then
    name=thresher-$(printf %s "$address" | tr -c 'A-Za-z0-9' _)
    set -- "$@" --metrics "$THRESHER_METRICS/$name-store.prom"
fi
begun=$(date +%s)
code=0
{
    thresher rebuild "$recipe" --store "$store" "$@" 2>&1 1>&3 3>&- |
        (trap '' TERM INT && tee "$log" >&2)
} 3>&1 || code=$?
ended=$(date +%s)

if [ -n "${THRESHER_METRICS:-}" ]; then
    label=$(printf %s "$address" | sed 's/[\\"]/\\&/g')
    file=$THRESHER_METRICS/$name.prom
    success=$ended
    if [ "$code" -ne 0 ]; then  # the last good night stays as it was told
        success=$(sed -n 's/^thresher_rebuild_success_timestamp_seconds{.*} //p' "$file" 2>/dev/null || :)
    fi
    {
        echo "thresher_rebuild_exit_code{store=\"$label\"} $code"
        echo "thresher_rebuild_duration_seconds{store=\"$label\"} $((ended - begun))"
        echo "thresher_rebuild_end_timestamp_seconds{store=\"$label\"} $ended"
        echo "thresher_rebuild_success_timestamp_seconds{store=\"$label\"} ${success:-0}"
    } > "$file.$$"
    mv "$file.$$" "$file"
fi

case $code in
    0) exit 0 ;;
    2) what="wrong configuration: somebody changed the recipe, or has to" ;;
    3) what="bad or changed input: look at what came in" ;;
    4) what="a limit was passed: nothing was committed. What follows names the step and the source; 'thresher run' with a higher limit and an --out of its own makes a report to look at" ;;
    5) what="the engine is not available: the next night may do" ;;
    6) what="out of memory or disk" ;;
    7) what="storage or permission" ;;
    130 | 143) exit "$code" ;;  # somebody stopped it and knows
    *) what="a bug, or killed from outside" ;;
esac
if [ -n "${THRESHER_ALERT:-}" ]; then
    export THRESHER_SUBJECT="thresher rebuild: exit $code, $store"
    {
        echo "thresher rebuild $recipe --store $store ended with $code: $what."
        echo "The version before stays in force."
        tail -n 20 "$log"
    } | sh -c "$THRESHER_ALERT" || echo "the alert could not be sent" >&2
fi
exit "$code"
