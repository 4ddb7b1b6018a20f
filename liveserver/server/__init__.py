"""The running server: its composition root, sockets, uvicorn, the supervision of several processes, and the drain."""
