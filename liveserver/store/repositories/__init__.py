"""The queries as functions, one module for each resource. The caller of a function has begun a transaction for it."""
