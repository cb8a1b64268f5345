"""What the API does, apart from HTTP: each module holds the use cases of one resource."""
