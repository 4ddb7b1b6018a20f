"""Reading a WebSocket peer's messages from bytes (RFC 6455, 5 to 8; RFC 7692). This module does no I/O.

The websockets library parses and checks the frames. This module joins fragments, decodes text, and reports the end of
the connection. It reports the end in the same way whether the peer closes the connection or must be cut off.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, NamedTuple

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from liveserver.protocol import close_codes
from liveserver.protocol.frames import deflate_extension

if TYPE_CHECKING:
    from codecs import IncrementalDecoder


LATE_BYTES = 64 * 1024
"""The greatest number of bytes that are read and thrown away after the end of a connection.

A peer goes on sending until it sees the end. If it sends more bytes than this, we stop reading. Further bytes wait in
the kernel, which accepts no more once its buffer is full.
"""

LATE_FRAMES = 100
"""The greatest number of frames that the peer may send after our close frame and before the peer's close frame.

All frames must be parsed to find the close frame. Parsing 100 frames takes 1 ms. After more frames, we stop reading."""

SLICE = 512
"""The number of bytes that are parsed at a time while we wait for the peer's close frame.

The number is small, so that parsing stops soon after LATE_FRAMES frames.
"""


class End(NamedTuple):
    """The end of a connection: a close code and a reason. No message comes after it.

    If the peer sent a close frame, the code and the reason are the peer's. If it broke the protocol, they are ours.
    """

    code: int
    reason: str

    def frame(self) -> bytes:
        """Return a close frame with this code and this reason."""
        return close_frame(self.code, self.reason)


class MessageReader:
    """A reader of one peer's messages."""

    def __init__(self, max_size: int, *, deflate: bool) -> None:
        """`max_size`: the greatest size in bytes that a message may have after it is inflated.

        `deflate`: True if permessage-deflate was agreed on.
        """
        self._parser = ServerProtocol(state=OPEN, max_size=max_size)
        self._parser.extensions = [deflate_extension()] if deflate else []
        self._partial = bytearray()
        """The joined fragments of an incomplete message. A list of small fragments would take much more memory."""
        self._decoder: IncrementalDecoder | None = None
        """The decoder of the newest message in fragments; None if that message is binary, or no fragment has come."""
        self.ignored = 0
        """The number of frames that `read` has ignored because `close` was called before."""

    def close(self, code: int, reason: str) -> bytes:
        """Return our close frame. From now on, `read` returns no messages, and only looks for the peer's close frame.

        Raises ProtocolError (of the websockets library) if the code can't be sent, or the reason has more than 123
        bytes.
        """
        self._parser.send_close(code, reason)
        return b"".join(self._parser.data_to_send())

    def read(self, data: bytes) -> tuple[list[str | bytes], bytes, End | None]:
        """Read data from the peer, and return three values.

        The first is the messages that are complete now. The second is the bytes to be sent at once (pongs). The third
        is the end of the connection, or None if the connection hasn't ended.
        """
        parser = self._parser
        closing = parser.state is not OPEN
        parser.receive_data(data)
        frames, replies = parser.events_received(), parser.data_to_send()
        messages: list[str | bytes] = []
        if closing:
            self.ignored += len(frames)
        else:
            try:
                for frame in frames:
                    assert isinstance(frame, Frame)
                    self._take(frame, messages)
            except UnicodeDecodeError:
                return messages, b"", End(close_codes.CLOSE_INVALID_DATA, "")
        close = parser.close_rcvd or (parser.close_sent if parser.parser_exc else None)
        if close is None:
            return messages, b"".join(replies), None
        if not closing:
            # The last two replies are the library's close frame, and b"" for the end of the stream. We don't send this
            # close frame: it has the code 1002 if the peer closes within a fragmented message. But the peer may do that
            # (RFC 6455, 5.4).
            replies = replies[:-2]
        return messages, b"".join(replies), End(close.code, close.reason)

    def _take(self, frame: Frame, messages: list[str | bytes]) -> None:
        """Handle a frame. If the frame completes a message, add the message to `messages`.

        Raises UnicodeDecodeError at the first text, or fragment of a text, that isn't UTF-8.
        """
        match frame.opcode:
            case Opcode.TEXT if frame.fin:
                messages.append(str(frame.data, "utf-8"))
            case Opcode.BINARY if frame.fin:
                messages.append(bytes(frame.data))
            case Opcode.TEXT | Opcode.BINARY:
                self._decoder = _Decoder() if frame.opcode is Opcode.TEXT else None
                self._gather(frame)
            case Opcode.CONT:
                self._gather(frame)
                if frame.fin:
                    partial, self._partial = self._partial, bytearray()
                    messages.append(bytes(partial) if self._decoder is None else partial.decode())

    def _gather(self, frame: Frame) -> None:
        self._partial += frame.data
        if self._decoder is not None:
            # The decoded text isn't kept. It is decoded only to find an error early.
            self._decoder.decode(bytes(frame.data), frame.fin)


_Decoder = getincrementaldecoder("utf-8")


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame. If the code is 1005, the frame has no code (RFC 6455, 7.1.5)."""
    payload = b"" if code == close_codes.CLOSE_NO_STATUS else Close(code, reason).serialize()
    return Frame(Opcode.CLOSE, payload).serialize(mask=False)


def message_frame(text: str | None, data: bytes | None, *, deflate: bool) -> bytes:
    """Return a message as one frame: a text frame with `text` or, if `text` is None, a binary frame with `data`."""
    frame = Frame(Opcode.BINARY, data or b"") if text is None else Frame(Opcode.TEXT, text.encode())
    return frame.serialize(mask=False, extensions=[deflate_extension()] if deflate else [])
