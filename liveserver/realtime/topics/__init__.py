"""Topics (live blogs and their editions), and how each change of a live blog reaches all topics of the live blog."""
