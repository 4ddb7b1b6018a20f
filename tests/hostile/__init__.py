"""The hostile client's harness: what attackers do, let loose on a server with readers and a publishing editor.

`python -m tests.hostile --setup alone|nginx|workers --seconds 10 [--attack NAME …] [--json FILE]`
"""
