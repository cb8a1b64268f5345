"""What may be wrong with the stored data: a registry of diagnostics, and the queries that find them."""
