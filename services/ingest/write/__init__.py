"""Writing: from valid rows to the database, under the import ledger. Imports no CSV."""
