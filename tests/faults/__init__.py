"""The fault harness: real servers, publishers, viewers that come and go, and faults chosen at random.

`python -m tests.faults --seed N --seconds S --setup embedded|cluster`; see `docs/reliability.md`.
"""
