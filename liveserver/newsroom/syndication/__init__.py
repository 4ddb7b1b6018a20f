"""Following live blogs of other servers. Our live blog has a copy of each entry of the live blog that it follows."""
