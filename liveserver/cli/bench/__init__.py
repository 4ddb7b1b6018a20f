"""`liveserver bench`: the capacity check that operators run against their own servers.

It starts worker processes with many viewers each (`viewers/worker.py`), publishes entries, and counts every change that
a viewer gets. A benchmark's viewer consists of a transport and a few numbers. So one machine can run 20,000 viewers.
"""
