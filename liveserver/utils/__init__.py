"""What knows nothing of live blogs."""
