"""The command and the Python client against a running stack."""
