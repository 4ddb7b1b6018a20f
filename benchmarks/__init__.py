"""The comparison in docs/performance.md: this server, others, and the least that a server can do (`make bench`)."""
