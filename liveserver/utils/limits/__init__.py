"""Limits for each of many keys (how often, how many at a time, how many unread bytes), and counts of refusals."""
