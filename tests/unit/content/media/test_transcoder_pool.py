"""Pictures are developed in processes of their own, which may break, hang and be too many."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from PIL import Image
from structlog.testing import capture_logs

from liveserver.content.media.transcoder import develop
from liveserver.content.media.transcoder_pool import TranscoderPool
from liveserver.domain.errors import Busy, InvalidInput, MediaUnavailable
from tests.support.api.site import settled
from tests.support.images import located, noise, png, quarters, saved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import BinaryIO

    Interpreter = Callable[[str], None]

MAX_PIXELS = 8_000_000


@contextmanager
def file_of(data: bytes) -> Iterator[BinaryIO]:
    """Written to its end, as an upload is, and not read from its beginning yet."""
    with tempfile.SpooledTemporaryFile(1024 * 1024) as file:
        file.write(data)
        yield cast("BinaryIO", file)


@pytest.fixture
async def transcoder_pool() -> AsyncIterator[TranscoderPool]:
    room = TranscoderPool(max_pixels=MAX_PIXELS)
    yield room
    await room.close()


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    """Has a script of the test's run in the place of Python."""

    def use(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return use


async def started(directory: Path, count: int) -> None:
    """Return once so many scripts have begun; fails if there are more."""

    async def all_of_them() -> bool:
        file = directory / "started"
        found = len(file.read_text()) if file.exists() else 0
        assert found <= count
        return found == count

    await settled(all_of_them)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
async def test_a_picture_is_developed(transcoder_pool: TranscoderPool, kind: str) -> None:
    """In its process as without one."""
    data = saved(noise(900, 600), kind)
    with file_of(data) as file:
        assert await transcoder_pool.develop(file, owner="a") == develop(data, max_pixels=MAX_PIXELS)


@pytest.mark.slow
async def test_as_large_as_may_be(transcoder_pool: TranscoderPool) -> None:
    """It fits into what its process may take."""
    with file_of(saved(Image.new("RGBA", (4000, 2000), (9, 9, 9, 9)), "PNG", exif=located(6))) as file:
        assert (await transcoder_pool.develop(file, owner="a")).variants[-1][:2] == (1600, 3200)


async def test_what_is_refused_says_why(transcoder_pool: TranscoderPool) -> None:
    with file_of(b"<svg/>") as file, pytest.raises(InvalidInput) as caught:
        await transcoder_pool.develop(file, owner="a")
    assert [error.pointer for error in caught.value.errors] == ["/file"]
    assert caught.value.errors[0].detail.startswith("is an SVG image")
    with file_of(png(4000, 2001)) as file, pytest.raises(InvalidInput, match="at most 8 million"):
        await transcoder_pool.develop(file, owner="a")


async def test_a_file_that_breaks_its_decoder_breaks_nothing_else(
    transcoder_pool: TranscoderPool, interpreter: Interpreter
) -> None:
    good = saved(quarters())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", sys.executable)
        interpreter("kill -SEGV $$")
        with capture_logs() as logs, file_of(good) as file, pytest.raises(InvalidInput, match="broke the decoder"):
            await transcoder_pool.develop(file, owner="a")
    assert [log["status"] for log in logs] == [-11]


async def test_a_file_that_takes_for_ever(interpreter: Interpreter) -> None:
    interpreter("exec sleep 600")
    room = TranscoderPool(max_pixels=MAX_PIXELS, patience=0.2)
    with capture_logs() as logs, file_of(b"x") as file, pytest.raises(InvalidInput, match="takes too long"):
        await room.develop(file, owner="a")
    assert [log["event"] for log in logs] == ["picture.too_slow"]
    await room.close()


async def test_a_file_that_takes_the_processor_for_ever(interpreter: Interpreter) -> None:
    """The kernel ends what decodes it; seconds of the processor are counted, not those of the clock."""
    interpreter("kill -XCPU $$; exec sleep 600")
    room = TranscoderPool(max_pixels=MAX_PIXELS)
    with capture_logs(), file_of(b"x") as file, pytest.raises(InvalidInput, match="takes too long"):
        await room.develop(file, owner="a")
    await room.close()


async def test_one_at_a_time_of_each_owner(tmp_path: Path, interpreter: Interpreter) -> None:
    """Else two dear pictures of one would make all others wait."""
    interpreter(f"echo >> {tmp_path}/started; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; exit 1")
    room = TranscoderPool(max_pixels=MAX_PIXELS)
    with capture_logs(), file_of(b"x") as file:
        many = [asyncio.create_task(room.develop(file, owner="a")) for _ in range(16)]
        await started(tmp_path, 1)
        other = asyncio.create_task(room.develop(file, owner="b"))
        await started(tmp_path, 2)
        (tmp_path / "go").touch()
        for result in await asyncio.gather(*many, other, return_exceptions=True):
            assert isinstance(result, InvalidInput)
    await room.close()


async def test_memory_is_bounded(interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder takes no memory of the server's, whatever it does."""
    program = (
        "import sys; from liveserver.content.media import transcoder; "
        "transcoder.develop = lambda data, max_pixels: bytes(2_000_000_000); "
        "transcoder.main()"
    )
    real = sys.executable
    interpreter(f'exec {real} -c "{program}" "$4"')
    room = TranscoderPool(max_pixels=1_000_000)
    with capture_logs() as logs, file_of(b"x") as file, pytest.raises(InvalidInput, match="broke the decoder"):
        await room.develop(file, owner="a")
    assert "MemoryError" in logs[0]["error"]
    await room.close()


async def test_its_process_knows_no_secrets(
    transcoder_pool: TranscoderPool, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither ours nor the cloud's; and it comes after the server."""
    for name in ("LIVESERVER_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "POSTGRES_PASSWORD"):
        monkeypatch.setenv(name, "s3cret")
    interpreter("env >&2; exit 1")
    with capture_logs() as logs, file_of(b"x") as file, pytest.raises(InvalidInput):
        await transcoder_pool.develop(file, owner="a")
    assert "PATH=" in logs[0]["error"]
    assert "s3cret" not in logs[0]["error"]


async def test_so_many_at_once_and_so_many_waiting(tmp_path: Path, interpreter: Interpreter) -> None:
    """The others are told to come back."""
    interpreter(f"echo >> {tmp_path}/started; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; exit 1")
    room = TranscoderPool(max_pixels=MAX_PIXELS, at_once=2, waiting_max=3)
    with file_of(b"x") as file:
        taken = [asyncio.create_task(room.develop(file, owner=number)) for number in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await room.develop(file, owner="a")
        await started(tmp_path, 2)
        waiting = taken.pop()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        again = asyncio.create_task(room.develop(file, owner="a"))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await room.develop(file, owner="a")
        await started(tmp_path, 2)
        (tmp_path / "go").touch()
        for result in await asyncio.gather(*taken, again, return_exceptions=True):
            assert isinstance(result, InvalidInput)
    await started(tmp_path, 5)
    await room.close()


async def test_a_caller_that_leaves_keeps_a_place_until_the_work_is_done(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    """Else there would be more at once than said."""
    interpreter(f"echo >> {tmp_path}/started; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; exit 1")
    room = TranscoderPool(max_pixels=MAX_PIXELS, at_once=1, waiting_max=0)
    with file_of(b"x") as file:
        left = asyncio.create_task(room.develop(file, owner="a"))
        await started(tmp_path, 1)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        with pytest.raises(Busy):
            await room.develop(file, owner="a")
        (tmp_path / "go").touch()

        async def free() -> bool:
            try:
                await room.develop(file, owner="a")
            except Busy:
                return False
            except InvalidInput:
                return True
            return False

        await settled(free)
    await room.close()


async def test_the_end_waits_for_nothing(tmp_path: Path, interpreter: Interpreter) -> None:
    """Running work is ended, and nobody is told that the picture was at fault."""
    interpreter(f"echo >> {tmp_path}/started; exec sleep 600")
    room = TranscoderPool(max_pixels=MAX_PIXELS)
    with file_of(b"x") as file:
        running = asyncio.create_task(room.develop(file, owner="a"))
        await started(tmp_path, 1)
        await room.close()
        with pytest.raises(Busy):
            await running


async def test_pictures_that_wait_when_it_ends_are_told_so(tmp_path: Path, interpreter: Interpreter) -> None:
    interpreter(f"echo >> {tmp_path}/started; exec sleep 600")
    room = TranscoderPool(max_pixels=MAX_PIXELS)
    with file_of(b"x") as file:
        pictures = [asyncio.create_task(room.develop(file, owner="a")) for _ in range(3)]
        await started(tmp_path, 1)
        await room.close()
        assert [type(error) for error in await asyncio.gather(*pictures, return_exceptions=True)] == [Busy] * 3


def refusing(*_: object, **__: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize("lack", ["disk", "descriptor", "process"])
async def test_what_cannot_be_begun_gives_its_place_back(lack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a full disk, or too many open files, for a moment would be the end of all pictures."""
    room = TranscoderPool(max_pixels=MAX_PIXELS, at_once=1, waiting_max=0)
    good = saved(quarters())
    before = open_descriptors()
    for _ in range(2):
        with monkeypatch.context() as patch, capture_logs() as logs, tempfile.SpooledTemporaryFile(1024) as file:
            file.write(good)
            if lack == "disk":
                patch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("r+b"))  # noqa: SIM115
            elif lack == "descriptor":
                patch.setattr(os, "dup", refusing)
            else:
                patch.setattr(subprocess, "Popen", refusing)
            with pytest.raises(MediaUnavailable, match=r"now: (No space left|Too many open files)"):
                await room.develop(cast("BinaryIO", file), owner="a")
            with suppress(OSError):
                file.close()
        assert [log["event"] for log in logs] == ["picture.not_begun"]
    assert open_descriptors() == before
    with file_of(good) as picture:
        assert (await room.develop(picture, owner="b")).variants
    await room.close()


async def test_the_end_of_a_file_counts_although_it_was_written_just_now(transcoder_pool: TranscoderPool) -> None:
    """It is in the file's buffer still, and not on the disk."""
    data = saved(noise(300, 200))
    with tempfile.SpooledTemporaryFile(1024) as file:
        file.write(data[:-100])
        file.write(data[-100:])
        transcoded = await transcoder_pool.develop(cast("BinaryIO", file), owner="a")
    assert transcoded == develop(data, max_pixels=MAX_PIXELS)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_descriptor_is_left(transcoder_pool: TranscoderPool) -> None:
    with file_of(saved(quarters())) as file:
        await transcoder_pool.develop(file, owner="a")
        before = open_descriptors()
        for _ in range(3):
            await transcoder_pool.develop(file, owner="a")
        assert open_descriptors() == before
