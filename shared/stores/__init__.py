"""Stores as callers see them: lists, one store, its timeline."""
