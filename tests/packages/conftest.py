"""One built package for all tests, and zips made from it with one fault each."""

from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from labkit.packages import Target, build_package


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of the test session's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def package(cache):
    """CreateThumbnail for this machine."""
    return build_package("CreateThumbnail", Target.host(), cache=cache)


@pytest.fixture(scope="session")
def files(package):
    """What is in it: name -> contents."""
    with ZipFile(package.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def zipped(tmp_path):
    """Makes a zip called CreateThumbnail.zip of these files."""

    def make(files, name="CreateThumbnail.zip"):
        path = tmp_path / name
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for entry, data in files.items():
                about = ZipInfo(entry)
                about.external_attr = 0o644 << 16
                about.compress_type = ZIP_DEFLATED
                archive.writestr(about, data)
        return path

    return make
