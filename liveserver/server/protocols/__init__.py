"""Our versions of uvicorn's HTTP and WebSocket protocols. Their limits apply before the application is called."""
