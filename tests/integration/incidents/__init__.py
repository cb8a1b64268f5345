"""Alert rules and incidents on real servers."""
