"""Topics, which viewers follow, made of live blogs' changes that are published here or arrive on the bus."""
