"""The HTTP endpoints: the API, the pages and the streams, with the code that answers requests."""
