"""How requests are answered: representations, entity tags, caches, problems, security headers."""
