"""`liveserver bench`: the capacity check that operators run against their own servers.

Processes of their own hold many viewers (`viewers/worker.py`), entries are published, and every delivery is counted.
Viewers are as light as the server's, a transport and a few numbers each, so that one machine can hold 20,000.
"""
