"""Freezes one server of a private installation with SIGSTOP while ten callers at once use each kind of call.

`python -m tests.chaos.frozen --seconds 30 valkey seaweedfs postgres`; see `run.py` for what is promised.
"""
