"""The `uptill` command and the embedded local stack."""
