"""Service levels: their terms, how they are stored, and the answers about them."""
