"""The files of a report beside its CSV, each written from it in one pass."""
