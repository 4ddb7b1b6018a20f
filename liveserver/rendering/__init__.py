"""Live blogs and entries as HTML, structured data and share cards: the templates, and the code that fills them."""
