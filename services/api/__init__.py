"""HTTP API: routes, schemas, authentication and the mapping of domain errors to HTTP."""
