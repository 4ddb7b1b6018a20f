"""How people sign in at the desk: passwords, passkeys, providers, links, and the sessions that begin with them."""
