"""The demo: a live blog in which entries are published one after the other while you look."""
