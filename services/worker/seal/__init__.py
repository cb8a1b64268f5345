"""Weeks of polls on their way into the bucket, and back."""
