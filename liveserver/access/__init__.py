"""Permission and its limits: API keys, signed links, partners, and how much each client may ask for."""
