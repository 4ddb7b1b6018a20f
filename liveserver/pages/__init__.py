"""Pages for people: the reader's page, one entry, the list of live blogs."""
