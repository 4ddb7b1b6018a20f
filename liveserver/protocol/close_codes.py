"""WebSocket close codes (RFC 6455, 7.4): 4000 to 4499 mean “come back”, 4500 to 4999 “don't”."""

from __future__ import annotations

# Close codes of the stream: those of RFC 6455, 7.4.1, and our own (4000 to 4499: come back; 4500 to 4999: don't).
CLOSE_TOO_TALKATIVE = 1008
CLOSE_TOO_BIG = 1009
CLOSE_RESTART = 1012
CLOSE_TRY_AGAIN = 1013
CLOSE_TOO_SLOW = 4000
CLOSE_NO_PONG = 4001
CLOSE_NOT_ADMITTED = 4503
CLOSE_NO_SUCH_LIVEBLOG = 4504
