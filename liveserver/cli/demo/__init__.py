"""A live blog that is being written while you look."""
