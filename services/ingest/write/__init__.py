"""From valid rows to the database: the import ledger, polls, opening hours, stores, and the indexes of weeks."""
