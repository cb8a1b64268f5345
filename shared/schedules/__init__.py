"""Report schedules: their values and their due times."""
