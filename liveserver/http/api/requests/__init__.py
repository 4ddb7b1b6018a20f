"""The code that all handlers of the API share. It reads and checks requests, and makes answers."""
