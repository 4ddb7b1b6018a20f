"""Code that all resources of the API share: reading a request, and answering it."""
