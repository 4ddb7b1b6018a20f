"""The following of live blogs of other servers. What such a live blog publishes, edits or deletes, ours does, too."""
