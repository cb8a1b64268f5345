"""Send messages to channels: what they say, and how each kind of channel is reached."""
