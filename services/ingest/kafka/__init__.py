"""Polls from Kafka: a consumer group that commits polls and offsets in one transaction of Postgres."""
