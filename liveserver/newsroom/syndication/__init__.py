"""Following live blogs of other servers: what is published, edited and deleted there, is here."""
