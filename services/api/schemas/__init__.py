"""Request and answer bodies, one module per resource. Requests with unknown fields are refused."""
