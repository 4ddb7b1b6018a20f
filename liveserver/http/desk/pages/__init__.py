"""The desk's pages: signing in, joining by a link, the account, and the first page. All work without JavaScript."""
