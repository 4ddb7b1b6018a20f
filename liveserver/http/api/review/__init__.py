"""The API of the newsroom's own work on entries: reviews and takedowns, notes, the board, and previews."""
