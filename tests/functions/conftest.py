"""The three functions, imported as Lambda imports them, over an S3 held in memory."""

import importlib
import json
import os
import sys
from pathlib import Path

import pytest
from memory_s3 import MemoryS3

PACKAGES = Path(__file__).parents[2] / "lambda_packages"
FUNCTIONS = ("CreateThumbnail", "CreateWebImage", "CreateMobileImage")
sys.path[:0] = [str(PACKAGES / folder) for folder in ("shared", *FUNCTIONS)]
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the functions make their S3 client as they are imported


@pytest.fixture
def s3(monkeypatch):
    """An empty bucket."""
    memory = MemoryS3()
    monkeypatch.setattr(importlib.import_module("store"), "S3", memory)
    return memory


@pytest.fixture(params=FUNCTIONS)
def function(request):
    """Each of the three functions."""
    return importlib.import_module(request.param)


@pytest.fixture
def thumbnail():
    """CreateThumbnail alone, where one function speaks for all three."""
    return importlib.import_module("CreateThumbnail")


@pytest.fixture
def lines(capsys):
    """What the functions logged since the last call, one dict a line."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
