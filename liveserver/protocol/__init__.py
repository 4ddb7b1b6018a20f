"""The protocol with viewers and API clients: messages and resources as JSON, and messages as bytes (frames)."""
