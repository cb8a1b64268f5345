"""Channels: where messages for people go, and the queue of events to tell. The scheduler sends."""
