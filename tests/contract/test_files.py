"""The promises of every place for the files of pictures, and how each of them fails."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import obstore
import pytest
from obstore.store import S3Store
from structlog.testing import capture_logs

from liveserver.content.media import storage as storage_module
from liveserver.content.media.directory_storage import DirectoryStorage
from liveserver.content.media.s3_storage import S3Storage
from liveserver.domain.errors import MediaUnavailable, SettingsError
from liveserver.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from liveserver.content.media.storage import MediaStorage
    from tests.support.s3 import S3Server, Service

NAME = f"{'a' * 32}-480x320.jpg"
OTHER = f"{'a' * 32}-960x640.webp"
CONTENT = bytes(range(256)) * 2000


@pytest.fixture(params=["directory", "bucket", "bucket with a prefix"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStorage:
    """One after the other, with nothing in it."""
    if request.param == "directory":
        return DirectoryStorage(tmp_path / "media")
    service: Service = request.getfixturevalue("s3")
    prefix = f"{os.urandom(4).hex()}/live" if request.param.endswith("prefix") else ""
    return S3Storage(service.bucket, prefix, service.access)


async def test_what_is_written_is_read(files: MediaStorage) -> None:
    await files.write(NAME, CONTENT)
    await files.write(OTHER, b"other")
    assert await files.read(NAME) == CONTENT
    assert await files.read(OTHER) == b"other"
    await files.remove(NAME)
    await files.remove(OTHER)


async def test_a_part_is_read_and_a_size_told_without_the_whole(files: MediaStorage) -> None:
    await files.write(NAME, CONTENT)
    assert await files.size(NAME) == len(CONTENT)
    assert await files.read_part(NAME, 10, 20) == CONTENT[10:20]
    assert await files.read_part(NAME, len(CONTENT) - 5, len(CONTENT)) == CONTENT[-5:]
    await files.remove(NAME)
    assert await files.size(NAME) is None
    assert await files.read_part(NAME, 0, 1) is None
    assert files.at_once >= 1


async def test_what_is_free(files: MediaStorage, tmp_path: Path) -> None:
    """On the disk, also before the directory is there; of a bucket nobody can tell."""
    free = await files.free()
    if isinstance(files, DirectoryStorage):
        assert free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)
    else:
        assert free is None


async def test_written_again_it_is_the_same(files: MediaStorage) -> None:
    """An upload may be repeated after a lost answer."""
    await files.write(NAME, CONTENT)
    await files.write(NAME, CONTENT)
    assert await files.read(NAME) == CONTENT
    await files.remove(NAME)


async def test_what_is_removed_is_gone(files: MediaStorage) -> None:
    """As often as it is said, and also where there never was anything."""
    assert await files.read(NAME) is None
    await files.remove(NAME)
    await files.write(NAME, CONTENT)
    await files.remove(NAME)
    assert await files.read(NAME) is None
    await files.remove(NAME)


async def test_a_directory_holds_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that breaks off leaves nothing, neither under the name nor beside it; other users may read."""
    files = DirectoryStorage(tmp_path / "media")
    await files.write(NAME, CONTENT)
    assert [file.name for file in files.path.iterdir()] == [NAME]
    assert (files.path / NAME).stat().st_mode & 0o777 == 0o644

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MediaUnavailable, match="No space left"):
            await files.write(OTHER, CONTENT)
    assert [file.name for file in files.path.iterdir()] == [NAME]


async def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    """Is said so, and nothing of where it is: the message goes to the sender of a picture."""
    (tmp_path / "media").write_text("a file")
    files = DirectoryStorage(tmp_path / "media")
    for call in (files.write(NAME, b""), files.read(NAME), files.remove(NAME)):
        with pytest.raises(MediaUnavailable) as caught:
            await call
        assert str(tmp_path) not in str(caught.value)


async def test_a_bucket_tells_what_a_cdn_passes_on(s3: Service) -> None:
    """A file that is read past us is a picture, may be kept for ever, and has the name that is in our URLs."""
    plain = S3Store(
        s3.bucket,
        endpoint=str(s3.access.endpoint),
        region=str(s3.access.region),
        access_key_id=str(s3.access.access_key),
        secret_access_key=str(s3.access.secret_key),
        client_options={"allow_http": True},
    )
    files = S3Storage(s3.bucket, "live/pictures", s3.access)
    await files.write(OTHER, b"x")
    found = await obstore.get_async(plain, f"live/pictures/{OTHER}")
    assert found.attributes["Content-Type"] == "image/webp"
    assert found.attributes["Cache-Control"] == "public, max-age=31536000, immutable"
    await files.remove(OTHER)


async def test_a_bucket_without_the_right_key(own_s3: S3Server) -> None:
    """Refuses, which is no reason to say that a file isn't there."""
    files = S3Storage(own_s3.bucket, "", own_s3.access._replace(secret_key="wrong"))
    for call in (files.write(NAME, b"x"), files.read(NAME), files.remove(NAME)):
        with pytest.raises(MediaUnavailable):
            await call
    right = S3Storage(own_s3.bucket, "", own_s3.access)
    assert await right.read(NAME) is None


async def test_a_bucket_that_is_not_there(own_s3: S3Server) -> None:
    with pytest.raises(MediaUnavailable):
        await S3Storage("elsewhere", "", own_s3.access).write(NAME, b"x")
    own_s3.kill()
    with pytest.raises(MediaUnavailable):
        await S3Storage(own_s3.bucket, "", own_s3.access).read(NAME)


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory, unless a bucket is named."""
    monkeypatch.chdir(tmp_path)
    directory = storage_module.connect(load(database_url="sqlite:////var/lib/live.db"))
    assert isinstance(directory, DirectoryStorage)
    assert str(directory.path) == "/var/lib/media"
    bucket = storage_module.connect(load(media_url="s3://pictures/live", media_region="eu-west-3"))
    assert isinstance(bucket, S3Storage)


def test_what_a_bucket_needs_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't installed unless it is asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "liveserver.content.media.s3_storage", None)
    with pytest.raises(SettingsError, match=r"pip install 'liveserver\[s3\]'"):
        storage_module.connect(load(media_url="s3://pictures"))


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    """Is refused at the start; so is one below it."""
    file = tmp_path / "file"
    file.touch()
    for directory in (file, file / "media"):
        with pytest.raises(SettingsError, match=f"^LIVESERVER_MEDIA_DIR: {file} is no folder$"):
            storage_module.check(load(media_dir=str(directory)))


def test_a_directory_that_can_not_be_written(ordinary: Path) -> None:
    """Is refused at the start where it is named; nothing is made to find out."""
    (ordinary / "media").mkdir(0o500)
    said = f"this user may not write in the folder {ordinary / 'media'}"
    for directory in ("media", "media/far/away"):
        with pytest.raises(SettingsError, match=f"^LIVESERVER_MEDIA_DIR: {said}$"):
            storage_module.check(load(media_dir=f"{ordinary}/{directory}"))
    with capture_logs() as lines:
        storage_module.check(load(database_url=f"sqlite:///{ordinary}/live.db"))
    assert [(line["event"], line["error"]) for line in lines] == [("files.unusable", said)]
    storage_module.check(load(media_dir=f"{ordinary}/new/media"))
    storage_module.check(load(media_url="s3://pictures"))
    assert [path.name for path in ordinary.iterdir()] == ["media"]
