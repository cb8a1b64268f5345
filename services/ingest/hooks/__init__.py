"""What a hook makes of a call: checks its signature, and maps any JSON to polls. Knows no database and no HTTP framework."""
