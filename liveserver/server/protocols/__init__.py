"""Our versions of uvicorn's HTTP and WebSocket protocols, with limits that hold before the application is called."""
