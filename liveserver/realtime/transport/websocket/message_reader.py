"""What a WebSocket peer sends, from bytes to messages (RFC 6455, 5 to 8; RFC 7692). Pure.

The websockets library parses the frames and knows what each may be. What it leaves to do is here: messages are put
together, text is decoded, and an end is told in one way, whether the peer closes or has to be cut off.
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
"""Bytes that are read, and thrown away, of what comes after the end: so much may be under way before the peer sees it.

What is beyond isn't read: it waits in the kernel, which takes no more when its buffer is full.
"""

LATE_FRAMES = 100
"""Frames that may come before the answer to our close frame, which they must be parsed to find: 1 ms of parsing."""

SLICE = 512
"""Bytes that are parsed at once of these, so that little is parsed beyond that number."""


class End(NamedTuple):
    """How the peer ends the connection, or why it must be ended. Nothing after it is read."""

    code: int
    reason: str

    def frame(self) -> bytes:
        """The close frame that answers it."""
        return close_frame(self.code, self.reason)


class MessageReader:
    """One peer's frames."""

    def __init__(self, max_size: int, *, deflate: bool) -> None:
        """`max_size` is in bytes of a message, inflated; `deflate` says whether permessage-deflate was agreed on."""
        self._parser = ServerProtocol(state=OPEN, max_size=max_size)
        self._parser.extensions = [deflate_extension()] if deflate else []
        self._partial = bytearray()
        """What has come of a fragmented message: no list, in which small fragments would weigh many times this."""
        self._decoder: IncrementalDecoder | None = None
        """Of the fragmented message, if it is text."""
        self.ignored = 0
        """Frames that came after our close frame and didn't answer it."""

    def close(self, code: int, reason: str) -> bytes:
        """Our own close frame: from now on only the peer's answer to it counts.

        Raises the library's ProtocolError for a code that can't be sent, and for a reason longer than 123 bytes.
        """
        self._parser.send_close(code, reason)
        return b"".join(self._parser.data_to_send())

    def read(self, data: bytes) -> tuple[list[str | bytes], bytes, End | None]:
        """The messages that are complete with these bytes, what is to be answered at once (pongs), and the end."""
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
            # The last of the replies are a close frame, and nothing, which stands for the end of the stream. The frame
            # isn't taken: the library answers 1002 to a close amid a fragmented message, which RFC 6455, 5.4, permits.
            replies = replies[:-2]
        return messages, b"".join(replies), End(close.code, close.reason)

    def _take(self, frame: Frame, messages: list[str | bytes]) -> None:
        """Raises UnicodeDecodeError at the first fragment with which a text can't be UTF-8 any more."""
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
            # What it decodes isn't kept: this is to fail early.
            self._decoder.decode(bytes(frame.data), frame.fin)


_Decoder = getincrementaldecoder("utf-8")


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; 1005 stands for one without a code (RFC 6455, 7.1.5)."""
    payload = b"" if code == close_codes.CLOSE_NO_STATUS else Close(code, reason).serialize()
    return Frame(Opcode.CLOSE, payload).serialize(mask=False)


def message_frame(text: str | None, data: bytes | None, *, deflate: bool) -> bytes:
    """A message as one frame: of text or, where that is None, of bytes."""
    frame = Frame(Opcode.BINARY, data or b"") if text is None else Frame(Opcode.TEXT, text.encode())
    return frame.serialize(mask=False, extensions=[deflate_extension()] if deflate else [])
