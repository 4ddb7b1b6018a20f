"""Delivery of changes to viewers: the hub, its channels, history, fan-out, presence, and the transports."""
