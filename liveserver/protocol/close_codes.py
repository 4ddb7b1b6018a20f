"""WebSocket close codes: standard codes (RFC 6455, 7.4.1), and our own codes.

After a code from 4000 to 4499 the client connects again. After a code from 4500 to 4999 it doesn't connect again.
"""

from __future__ import annotations

CLOSE_NORMAL = 1000
CLOSE_NO_STATUS = 1005
"""The code that stands for a close frame without a code. It is never sent."""
CLOSE_ABNORMAL = 1006
"""The code that stands for a connection that ended without a close frame. It is never sent."""
CLOSE_INVALID_DATA = 1007
CLOSE_TOO_TALKATIVE = 1008
CLOSE_TOO_BIG = 1009
CLOSE_INTERNAL_ERROR = 1011
CLOSE_RESTART = 1012
CLOSE_TRY_AGAIN = 1013
CLOSE_TOO_SLOW = 4000
CLOSE_NO_PONG = 4001
CLOSE_SESSION_ENDED = 4501
"""The session of a desk stream has ended, or its user was disabled. Only somebody who signs in again can come back."""
CLOSE_NOT_ADMITTED = 4503
CLOSE_NO_SUCH_LIVEBLOG = 4504
