"""The desk's pages as HTML: the templates, and the code that fills them."""
