"""Live state: the terms on which it is kept, and its standing job."""
