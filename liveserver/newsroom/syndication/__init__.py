"""Following live blogs of other servers. Our live blog gets copies of the entries of the live blog that it follows."""
