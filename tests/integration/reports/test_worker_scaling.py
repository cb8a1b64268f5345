"""What the Kubernetes autoscaler asks the database is what the metric of the same name shows."""

from pathlib import Path

import psycopg
import yaml

from shared.db.queries import queries

SCALING = Path(__file__).parents[3] / "deploy/k8s/overlays/production/scaling.yaml"


def test_workers_are_scaled_by_the_age_of_the_oldest_due_batch(database_url: str) -> None:
    (scaled,) = (
        document for document in yaml.safe_load_all(SCALING.read_text()) if document["kind"] == "ScaledObject"
    )
    (trigger,) = scaled["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    assert query.split() == queries("facts")["oldest_due_batch_age_seconds"].decode().split()
    with psycopg.connect(database_url) as conn:
        assert conn.execute(query).fetchone() == (0.0,)
