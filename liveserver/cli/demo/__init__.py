"""The demo: a live blog that is written while you look."""
