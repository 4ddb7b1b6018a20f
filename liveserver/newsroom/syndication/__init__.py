"""Following live blogs of other servers: entries published, edited and deleted there are so here, too."""
