"""uvicorn's HTTP and WebSocket protocols, made for viewers, and the limits that hold before an application is asked."""
