"""General-purpose modules, which know nothing of live blogs."""
