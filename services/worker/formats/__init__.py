"""The other formats of a report, each written in one pass over its CSV."""
