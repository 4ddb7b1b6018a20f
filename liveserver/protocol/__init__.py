"""The protocol with viewers and API clients: messages and resources as JSON, frames as bytes."""
