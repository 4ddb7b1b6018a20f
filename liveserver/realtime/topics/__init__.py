"""What viewers follow: topics made of live blogs' changes as they are published here or arrive on the bus."""
