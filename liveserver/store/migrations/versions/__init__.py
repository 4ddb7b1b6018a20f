"""The migrations. Each migration is a module. Its name begins with `r` and the number of the revision."""
