"""The middlewares through which every request goes, whatever its route."""
