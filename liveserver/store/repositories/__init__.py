"""Queries, one module for each resource: each function is one part of a transaction."""
