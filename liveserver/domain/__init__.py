"""The types that all other packages use: live blogs, entries, changes, partners, people, inputs and errors. No I/O."""
