"""The middlewares that every request passes, whatever its route."""
