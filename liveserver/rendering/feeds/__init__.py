"""Live blogs for machines: feeds and sitemaps. Pure: the same input gives the same bytes."""
