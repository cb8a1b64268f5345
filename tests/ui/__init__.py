"""A person at the page, in a real browser. `make test-ui` runs these; `make test` does not."""
