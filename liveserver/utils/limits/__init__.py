"""Limits for each client address or API key (on rates, open streams, unread bytes), and counts of refusals."""
