"""The embedded stack: Postgres, Valkey and SeaweedFS from their wheels, and Uptill's services on top.

The server modules must not know Uptill's schema or settings. `stack` combines everything for `uptill up`.
"""
