"""The nouns that all others speak of: live blogs, entries, changes, partners, inputs and errors. No I/O."""
