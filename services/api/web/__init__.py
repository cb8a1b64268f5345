"""The page: HTML for people, served by the API's process from the API's use cases. Must hold no SQL of its own."""
