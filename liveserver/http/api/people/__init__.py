"""The desk's own operations: people, their sessions and roles, API keys, and the record of acts. All need a session."""
