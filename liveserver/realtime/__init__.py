"""Delivery of changes to viewers: the hub with its channels, history, fan-out and viewer counts, and the transports."""
