"""The queries of the newsroom's own work on entries: reviews, takedowns, notes, and the board."""
