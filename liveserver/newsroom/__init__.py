"""The editors' side: publishing, scheduling, takedowns, following other servers, and reach."""
