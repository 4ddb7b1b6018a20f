"""The people and programs that write: users and their sessions, roles and rights, and the record of their acts."""
