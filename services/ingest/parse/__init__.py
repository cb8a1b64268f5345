"""Parsing: from bytes to valid rows, and the reasons for rejecting a row. Imports no database."""
