"""Topics (live blogs and their editions): from each change of a live blog, the messages for its topics are made."""
