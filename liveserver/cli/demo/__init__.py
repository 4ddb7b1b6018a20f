"""The demo: a live blog whose entries are published one after the other while you look."""
