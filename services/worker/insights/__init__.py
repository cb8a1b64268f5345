"""What a worker does for insights: count the hours of a batch, and conclude from those of the fleet."""
