"""Insights against real servers."""
