"""Queries, one module for each resource. Each function runs within a transaction that its caller has begun."""
