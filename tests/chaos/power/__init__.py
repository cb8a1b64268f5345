"""Every process of an installation killed at once, again and again: `python -m tests.chaos.power --losses 50`."""
