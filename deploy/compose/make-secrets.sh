#!/bin/sh
# The service `secrets` of docker-compose.yml runs this before any other container: it makes the passwords of the stack,
# and gives each service a volume with those that it needs. It prints names, never values. Run again, it changes nothing.
#
#   docker compose run --rm secrets                 make what is missing
#   docker compose run --rm secrets renew NAME…     make these again; then start the stack again
#
# A file of SECRETS_DIR (deploy/compose/secrets) with the name of a secret replaces the one that was made here.
# SECRETS_ROOT is the folder of the volumes.
set -eu
umask 022
root=${SECRETS_ROOT:-/secrets}
made=$root/made
given=$root/given
# Without these: Postgres keeps its owner's password itself, and Grafana its administrator's.
renewable='api_database_url ingest_database_url worker_database_url readonly_database_url redis_conf s3_access_key s3_secret_key s3_grpc'
# Texts that contain other secrets are never kept, so they cannot become stale.
derived='database_url redis_url s3_identities readonly_password'

refuse() { echo "$1" >&2; exit 2; }
in_list() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac; }

# put FROM TO: copy a file completely or not at all, unless it is the same. Only containers with this volume can see it.
put() {
    cmp -s "$1" "$2" && return
    cp -f "$1" "$2.new"
    chmod 0444 "$2.new"
    mv "$2.new" "$2"
}

# hand VOLUME NAME…: give a service its secrets
hand() {
    volume=$root/$1
    shift
    for name in "$@"; do put "$work/$name" "$volume/$name"; done
}

mkdir -p "$made"
if [ $# -gt 0 ]; then
    [ "$1" = renew ] && [ $# -gt 1 ] || refuse "give no argument, or: renew NAME…, with names of: $renewable"
    shift
    for name in "$@"; do
        in_list "$name" "$renewable" || refuse "cannot renew $name; names: $renewable"
        [ ! -e "$given/$name" ] || refuse "cannot renew $name: it is a file of SECRETS_DIR; change it there"
    done
    for name in "$@"; do rm -f "$made/$name"; done
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in "$made" "$given"; do
    for file in "$folder"/*; do
        [ ! -f "$file" ] || cp -f "$file" "$work/"
    done
done
"$(dirname "$0")/secrets.sh" "$work" >/dev/null
for file in "$work"/*; do
    name=$(basename "$file")
    if [ ! -e "$given/$name" ] && [ ! -e "$made/$name" ] && ! in_list "$name" "$derived"; then
        put "$file" "$made/$name"
        echo "created $name"
    fi
done

hand migrate database_url api_database_url ingest_database_url worker_database_url readonly_database_url
hand bucket s3_access_key s3_secret_key
hand api api_database_url redis_url s3_access_key s3_secret_key
hand ingest ingest_database_url redis_url s3_access_key s3_secret_key
hand worker worker_database_url redis_url s3_access_key s3_secret_key
# Only if they were given: the password of the mail server, and so on.
[ ! -e "$work/smtp_password" ] || hand worker smtp_password
[ ! -e "$work/oidc_client_secret" ] || hand api oidc_client_secret
for name in kafka_ca kafka_certificate kafka_key kafka_password; do
    [ ! -e "$work/$name" ] || hand ingest "$name"
done
hand keys api_database_url
hand postgres postgres_password
hand redis redis_conf
hand s3 s3_identities s3_grpc
hand grafana grafana_password readonly_password
echo 'every service has its secrets'
