"""The pictures of the page in the documentation, made from sample data: `make screenshots`."""
