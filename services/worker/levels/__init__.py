"""The evaluation of service levels: times of days from facts and polls, what counts of them, and the stored result."""
