"""Weeks of polls that lie in the bucket as Parquet: what is in a file, where it is, and who reads it."""
