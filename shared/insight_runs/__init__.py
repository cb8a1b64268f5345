"""Jobs that keep insights: accept, read, cancel. What they conclude is computed by `shared.insights`."""
