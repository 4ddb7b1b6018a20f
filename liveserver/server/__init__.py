"""The running process: composition root, sockets, uvicorn, supervision of several processes, drain."""
