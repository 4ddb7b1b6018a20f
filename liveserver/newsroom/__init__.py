"""What editors do and learn: publishing, scheduling, takedowns, and the figures of who reads."""
