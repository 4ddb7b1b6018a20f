"""Desk streams: who is at work on a live blog, hints of unpublished work, readers' figures, and takedowns."""
