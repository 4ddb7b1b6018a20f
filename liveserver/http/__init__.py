"""Endpoints and what they have in common: the API, the pages, the streams, and how requests are answered."""
