#!/bin/sh
# Creates the cluster if it does not exist, as the official image does from the same variables, then runs the command.
set -eu
PGDATA=/var/lib/postgresql/18/docker
export PGDATA

if [ ! -e "$PGDATA" ]; then
    # An interrupted start leaves no cluster that looks complete.
    unfinished=/var/lib/postgresql/unfinished
    rm -rf "$unfinished"
    # The arguments are meant to be split into words.
    # shellcheck disable=SC2086
    initdb --pgdata="$unfinished" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --no-instructions $POSTGRES_INITDB_ARGS
    echo 'host all all all scram-sha-256' >>"$unfinished/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$unfinished/postgresql.conf"
    echo "unix_socket_directories = '/var/run/postgresql'" >>"$unfinished/postgresql.conf"
    echo "create database \"$POSTGRES_DB\"" | postgres --single -D "$unfinished" postgres >/dev/null
    mkdir -p "$(dirname "$PGDATA")"
    mv "$unfinished" "$PGDATA"
fi
exec "$@"
