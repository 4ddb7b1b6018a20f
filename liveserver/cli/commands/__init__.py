"""Commands that have modules of their own: each is found by its name."""
