#!/bin/sh
# Writes the secrets of the stack as files with random passwords. Existing files stay as they are.
# Usage: deploy/compose/secrets.sh [FOLDER]
#
# docker-compose does this by itself (make-secrets.sh); Kubernetes' trial overlay needs a folder. It is closed to other
# users of the host (0700). The files in it are readable (0444), because containers run as other users.
set -eu
umask 077
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 0700 "$folder"
cd "$folder"

command -v openssl >/dev/null || { echo 'openssl is missing: install it and try again' >&2; exit 1; }

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# write NAME TEXT: create the file completely or not at all
write() {
    [ -e "$1" ] && return
    [ -n "$2" ] || { echo "no value for $1" >&2; exit 1; }
    printf '%s\n' "$2" >".$1.new"
    chmod 0444 ".$1.new"
    mv ".$1.new" "$1"
    echo "created $folder/$1"
}

write postgres_password "$(random 24)"
# Another value is for deploy/compose/ha.yml.
hosts=${POSTGRES_HOSTS:-postgres:5432}
write database_url "postgresql://uptill:$(cat postgres_password)@$hosts/uptill"
# One login per service. The job `migrate` creates them, and sets their passwords to these.
for role in api ingest worker readonly; do
    write "${role}_database_url" "postgresql://uptill_${role}_login:$(random 24)@$hosts/uptill"
done
# Grafana takes the password of its login without the address.
write readonly_password "$(sed 's|^[^:]*://[^:]*:\([^@]*\)@.*|\1|' readonly_database_url)"
write redis_conf "requirepass $(random 24)"
write redis_url "redis://:$(cut -d ' ' -f 2 redis_conf)@redis:6379/0"
write grafana_password "$(random 16)"
write s3_access_key "$(random 10)"
write s3_secret_key "$(random 24)"
write s3_identities "{\"identities\": [{\"name\": \"uptill\", \
\"credentials\": [{\"accessKey\": \"$(cat s3_access_key)\", \"secretKey\": \"$(cat s3_secret_key)\"}], \
\"actions\": [\"Admin:uptill\", \"Read:uptill\", \"Write:uptill\", \"List:uptill\"]}]}"
# The parts of SeaweedFS authenticate with this. Without it, a program cannot change identities by gRPC.
write s3_grpc "$(openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=seaweedfs -keyout - -out - 2>/dev/null)"
