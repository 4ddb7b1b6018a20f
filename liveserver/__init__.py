"""The package liveserver: a self-hosted, real-time live-blog server."""

__version__ = "0.1.0"
