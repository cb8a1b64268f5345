"""One file per resource. A route parses the request, calls one use case and maps its result."""
