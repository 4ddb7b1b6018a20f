"""The benchmarks of docs/performance.md (`make bench`): liveserver, other servers, and the least possible server."""
