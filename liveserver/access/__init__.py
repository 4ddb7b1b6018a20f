"""Who may do what, and how much of it: API keys, signed links, partners, and the limits of each client."""
