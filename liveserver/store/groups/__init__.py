"""The queries of the store as methods of its groups: `store.entries.create(…)`, `store.media.find(…)`."""
