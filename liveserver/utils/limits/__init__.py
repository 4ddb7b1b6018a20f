"""Limits by key: rates, numbers at a time, unread bytes; and counts of refusals."""
