"""Evaluate alert rules, keep incidents, and tell channels about them."""
