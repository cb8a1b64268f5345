"""Uptill's own small machine: Postgres, Valkey and SeaweedFS from their wheels, and the services over them.

The server modules know nothing of Uptill's schema or settings; `stack` puts them together for `uptill up`.
"""
