"""`liveserver bench`: the capacity check that operators run against their own servers.

It starts processes that hold many viewers (`viewers/worker.py`), publishes entries, and counts every change that a
viewer gets. A viewer here consists of a transport and a few numbers, as on the server. So one machine can
hold 20,000 viewers.
"""
