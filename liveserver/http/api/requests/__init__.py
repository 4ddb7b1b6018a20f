"""Reading a request of the API, and answering it: what the resources have in common."""
