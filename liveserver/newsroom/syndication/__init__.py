"""Following live blogs of other servers. Ours publishes, edits and deletes what the followed live blog does."""
