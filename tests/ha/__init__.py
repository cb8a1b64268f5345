"""Real Postgres servers under Patroni and etcd, whose primary is killed and frozen under load: `make test-ha`."""
