"""Counting and limiting by key: rates, numbers of things at once, bytes unread, refusals."""
