"""Workers compute the batches of reports and merge them into files."""
