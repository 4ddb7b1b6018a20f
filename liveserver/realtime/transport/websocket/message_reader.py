"""Reading a WebSocket peer's messages from bytes (RFC 6455, 5 to 8; RFC 7692). Pure.

The websockets library parses and checks the frames. The rest is done here: fragments are joined, text is decoded, and
the end is reported in one way, whether the peer closes or has to be cut off.
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
"""Bytes that are read and thrown away after the end: that much may be under way before the peer sees the end.

More isn't read: it waits in the kernel, which takes no more once its buffer is full.
"""

LATE_FRAMES = 100
"""Frames that may come before the answer to our close frame. They have to be parsed to find it, which takes 1 ms."""

SLICE = 512
"""Bytes of these frames that are parsed at a time, so that little is parsed beyond LATE_FRAMES."""


class End(NamedTuple):
    """The end of a connection, by the peer or because of it: a close code and a reason. Nothing is read after it."""

    code: int
    reason: str

    def frame(self) -> bytes:
        """Return the close frame that answers this end."""
        return close_frame(self.code, self.reason)


class MessageReader:
    """A reader of one peer's messages."""

    def __init__(self, max_size: int, *, deflate: bool) -> None:
        """`max_size`: bytes of a message, inflated. `deflate`: True if permessage-deflate was agreed on."""
        self._parser = ServerProtocol(state=OPEN, max_size=max_size)
        self._parser.extensions = [deflate_extension()] if deflate else []
        self._partial = bytearray()
        """The fragments of a message so far. They aren't in a list, in which small ones would take much more memory."""
        self._decoder: IncrementalDecoder | None = None
        """The decoder of the fragmented message, if it is text."""
        self.ignored = 0
        """Frames that came after our close frame and didn't answer it."""

    def close(self, code: int, reason: str) -> bytes:
        """Return our close frame. From now on, only the peer's answer to it counts.

        Raises the library's ProtocolError for a code that can't be sent, and for a reason longer than 123 bytes.
        """
        self._parser.send_close(code, reason)
        return b"".join(self._parser.data_to_send())

    def read(self, data: bytes) -> tuple[list[str | bytes], bytes, End | None]:
        """Return the messages that are complete now, bytes to answer at once (pongs), and the end (None: not yet)."""
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
            # The last two replies are the library's close frame, and b"" for the end of the stream. We don't send its
            # frame: it answers 1002 to a close within a fragmented message, which RFC 6455, 5.4, permits.
            replies = replies[:-2]
        return messages, b"".join(replies), End(close.code, close.reason)

    def _take(self, frame: Frame, messages: list[str | bytes]) -> None:
        """Add the message that a frame completes. Raises UnicodeDecodeError once a text can't be UTF-8 any more."""
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
            # The result isn't kept: this is only to fail early.
            self._decoder.decode(bytes(frame.data), frame.fin)


_Decoder = getincrementaldecoder("utf-8")


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame; 1005 stands for one without a code (RFC 6455, 7.1.5)."""
    payload = b"" if code == close_codes.CLOSE_NO_STATUS else Close(code, reason).serialize()
    return Frame(Opcode.CLOSE, payload).serialize(mask=False)


def message_frame(text: str | None, data: bytes | None, *, deflate: bool) -> bytes:
    """Return a message as one frame: a text frame or, if `text` is None, a binary one."""
    frame = Frame(Opcode.BINARY, data or b"") if text is None else Frame(Opcode.TEXT, text.encode())
    return frame.serialize(mask=False, extensions=[deflate_extension()] if deflate else [])
