"""Batches, parts and files of reports."""
