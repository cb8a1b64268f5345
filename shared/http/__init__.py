"""What the HTTP services have in common: authentication and problem+json errors."""
