"""Answers to requests: representations, entity tags, caches, static files, security headers."""
