"""Following live blogs of other servers. Our live blog publishes, edits and deletes what the followed one does."""
