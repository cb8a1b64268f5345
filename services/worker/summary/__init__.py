"""The file of a report that adds up its stores: parts of batches, and how they become one file."""
