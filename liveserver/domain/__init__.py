"""The types that all other packages use: live blogs, entries, changes, partners, inputs and errors. No I/O."""
