"""The migrations. Each is a module, whose name begins with `r` and the number of the revision."""
