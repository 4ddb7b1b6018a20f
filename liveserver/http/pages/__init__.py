"""Pages for people, and files for other sites: reader's page, widget, feeds, share cards, sitemaps, pictures."""
