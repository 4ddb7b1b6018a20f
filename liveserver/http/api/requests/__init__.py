"""The code that all resources of the API share: for the reading of a request, and for its answer."""
