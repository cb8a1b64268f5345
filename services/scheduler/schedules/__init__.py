"""Scheduled reports: fire what is due, and copy finished files to their delivery keys."""
