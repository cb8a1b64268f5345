"""One file a resource; a route parses, calls one use case and maps its result."""
