"""What travels to viewers: messages and resources as JSON, frames as bytes."""
