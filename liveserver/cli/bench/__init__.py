"""`liveserver bench`: the capacity check that an operator runs against their own server.

Many viewers are held in processes of their own (`viewers/worker.py`), entries are published, and every delivery is
accounted for. Viewers are as light as the server's: a transport and a few numbers each, so that one machine can hold
20,000.
"""
