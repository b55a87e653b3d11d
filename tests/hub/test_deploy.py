"""What is deployed from files that nothing here can run: they name what is there, and say the same."""

import re
from pathlib import Path

import yaml

from labkit.room import FIRST, HELD

PROJECT = Path(__file__).parents[2]
HUB = PROJECT / "deploy" / "hub"
DOCUMENT = (PROJECT / "docs" / "class-server.md").read_text("utf-8")


def test_the_image_copies_what_is_there_and_all_that_the_workbook_needs():
    steps = re.findall(r"^COPY (.+) \S+$", (HUB / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    copied = {name for step in steps for name in step.split()}
    assert all((PROJECT / name).exists() for name in copied)
    assert {"labkit", "pyproject.toml", *HELD} <= copied


def test_the_image_and_the_server_are_installed_from_the_same_lock():
    wanted = ["--require-hashes -r locks/hub.txt", "--no-deps --no-build-isolation ."]
    installs = re.findall(
        r"^RUN pip install --no-cache-dir (.+)$", (HUB / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    assert installs == wanted
    on_the_server = re.findall(r"^/opt/image-lab/bin/pip install (.+)$", DOCUMENT, re.MULTILINE)
    assert [line.replace("WHERE/", "").replace("WHERE", ".") for line in on_the_server] == wanted


def test_everywhere_a_student_s_server_starts_alike():
    values = yaml.safe_load((HUB / "kubernetes.yaml").read_text("utf-8"))["singleuser"]
    assert values["cmd"] == ["labkit", "start", "image-lab", "--hub"]
    assert values["defaultUrl"] == f"/lab/tree/{FIRST}"
    for text in ((HUB / "jupyterhub_config.py").read_text("utf-8"), DOCUMENT):
        assert f'c.Spawner.default_url = "/lab/tree/{FIRST}"' in text
        assert '"start"' in text
        assert '"--hub"]' in text


def test_the_unit_starts_what_the_document_installs():
    unit = (HUB / "jupyterhub.service").read_text("utf-8")
    for folder in ("/opt/image-lab", "/srv/image-lab"):
        assert folder in unit
        assert folder in DOCUMENT
