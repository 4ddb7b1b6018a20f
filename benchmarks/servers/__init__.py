"""The servers that liveserver is compared with. Those of libraries are written as their documentation shows it."""
