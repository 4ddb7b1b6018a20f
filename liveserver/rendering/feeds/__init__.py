"""Live blogs for machines: feeds and sitemaps. The functions do no I/O; the same arguments give the same bytes."""
