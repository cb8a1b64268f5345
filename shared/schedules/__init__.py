"""Reports by the calendar: schedules, their due times, the delivery of their files into the bucket."""
