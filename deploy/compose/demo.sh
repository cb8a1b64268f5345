#!/bin/sh
# `make demo-compose` runs this on a started stack: ingest a sample in a container, trigger a report over HTTP, and
# download the file by its presigned link, without a key.
# Usage: COMPOSE='docker compose' API_URL=http://127.0.0.1:8000 deploy/compose/demo.sh [OUTPUT]
set -eu
output=${1:-report.csv}
compose=${COMPOSE:-docker compose}
url=${API_URL:-http://127.0.0.1:8000}

# The command may be two words.
# shellcheck disable=SC2086
run() { $compose run --rm -T "$@" </dev/null; }
call() { curl --fail-with-body --silent --show-error --header "Authorization: Bearer $key" "$@"; }
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

run --entrypoint sh load -c 'python -m services.cli.sample /tmp/sample --stores 500 --days 9 && python -m services.ingest /tmp/sample'
key=$(run keys create demo)
report=$(call --request POST "$url/trigger_report" | field report_id)
echo "report $report"

answer=
for _ in $(seq 120); do
    answer=$(call "$url/get_report?report_id=$report")
    [ "$(echo "$answer" | field status)" = Running ] || break
    sleep 0.5
done
link=$(echo "$answer" | field download_url)
[ -n "$link" ] || { echo "no link: $answer" >&2; exit 1; }
curl --fail --silent --show-error --output "$output" "$link"
head -n 4 "$output"
echo "$output: $(($(wc -l <"$output") - 1)) stores, downloaded by a link without a key"
