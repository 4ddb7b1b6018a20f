"""The desk's pages as HTML, for people who come to work: the templates, and the code that fills them."""
