"""The endpoints of pages and files: the reader's pages, the widget, feeds, share cards, sitemaps and pictures."""
