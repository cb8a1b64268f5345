"""What eight weeks of polls say about the hours to come: pure functions on arrays. Knows no database."""
