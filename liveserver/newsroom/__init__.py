"""The server's work for editors: publishing, scheduling, takedowns, partners, audience statistics, syndication."""
