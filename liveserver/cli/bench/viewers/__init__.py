"""The viewers of a benchmark: their connections, and the processes that hold them."""
