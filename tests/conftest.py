"""What tests share: an embedded AWS for the session, and a lab of its own for each test."""

import functools
import itertools
import os

import botocore.session
import pytest

from labkit import catch_up, clean_up, embedded_aws, open_lab
from labkit.connection import LOCAL_FOLDER

NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True, scope="session")
def no_ambient_settings():
    """No test may depend on, or reach, what the developer's own environment says about AWS, the lab or the terminal."""
    ours = ("AWS_", "LABKIT_", "COLUMNS", "NO_COLOR", "FORCE_COLOR")
    for name in [name for name in os.environ if name.startswith(ours) and "TEST" not in name]:
        del os.environ[name]


@pytest.fixture(autouse=True, scope="session")
def one_reading_of_awss_descriptions():
    """Each session of boto3 reads AWS's descriptions of its services anew: hundreds of sessions share them here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("botocore.session.create_loader", functools.lru_cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory):
    """The URL of an embedded AWS that answers as an endpoint of someone else's would: known by its address alone."""
    folder = tmp_path_factory.mktemp("endpoint")
    yield embedded_aws.start(folder, keys=embedded_aws.Keys("test", "test")).url  # as an endpoint without a profile
    embedded_aws.stop(folder)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """A workspace whose embedded AWS ends with the session."""
    folder = tmp_path_factory.mktemp("a workspace")
    yield folder
    embedded_aws.stop(folder / LOCAL_FOLDER)


@pytest.fixture
def new_lab(workspace):
    """Opens labs on the session's embedded AWS, each with a prefix of its own, and cleans them up."""
    labs = []

    def open_one(**options):
        labs.append(open_lab("local", prefix=f"t{next(NUMBERS)}-", workspace=workspace, **options))
        return labs[-1]

    yield open_one
    for lab in labs:
        clean_up(lab)


@pytest.fixture
def lab(new_lab):
    """A lab of the test's own, with nothing in it."""
    return new_lab()


@pytest.fixture(scope="session")
def built_lab(workspace):
    """A lab with steps 1 to 5 done, for tests that only look."""
    lab = open_lab("local", prefix="built-", workspace=workspace)
    catch_up(lab, to=5)
    yield lab
    clean_up(lab)
