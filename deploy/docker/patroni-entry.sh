#!/bin/sh
# Starts Patroni with the password that deploy/compose/make-secrets.sh made. Patroni reads no files of secrets itself.
set -eu
password=$(cat /run/secrets/postgres_password)
export PATRONI_SUPERUSER_PASSWORD="$password" PATRONI_REPLICATION_PASSWORD="$password"
export PATRONI_RESTAPI_USERNAME=patroni PATRONI_RESTAPI_PASSWORD="$password"
exec "$@"
