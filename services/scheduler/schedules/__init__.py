"""Scheduled reports: accept the reports of due schedules, and copy finished files to where the schedules want them."""
