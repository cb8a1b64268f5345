"""Sealed weeks of polls: whatever reads a week gets the same from its partition and from its file."""
