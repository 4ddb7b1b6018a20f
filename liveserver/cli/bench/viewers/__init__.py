"""The viewers of a benchmark: their connections, and the worker processes that run the viewers."""
