"""How people sign in at the desk (by password, passkey, provider or link), and the sessions that begin then."""
