"""The server's work for editors: publishing, scheduling, takedowns, following of other servers' live blogs, reach."""
