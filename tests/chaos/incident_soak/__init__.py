"""A soak of live state, rules and channels: stores go up and down while everything is killed; no incident is lost, doubled or stuck.

`python -m tests.chaos.incident_soak --seconds 180 --seed 1`. Its polls are of now, so it has an installation of its own.
"""
