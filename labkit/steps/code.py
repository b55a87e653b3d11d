"""Step 4, looked into: one function's code changed in one place, tried on a photo, and put back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from labkit import resources
from labkit.errors import LabError, aws_errors, file_errors
from labkit.lab import Lab
from labkit.packages import Package, build_package
from labkit.resources.bucket import bucket_of
from labkit.result import Result
from labkit.samples import sample
from labkit.steps.functions import upload_code
from labkit.steps.upload import upload_photo, wait_for_results
from labkit.steps.validate import Photo, read_results
from labkit.workbook import LAMBDA_PACKAGES

TRIED_ON = "HappyFace.jpg"  # small, so that two ways through the pipeline are soon over
TRIED_AS = (
    "try-the-code/before.jpg",
    "try-the-code/after.jpg",
)  # each its own key: S3's clock knows whole seconds only


@dataclass(frozen=True)
class Tried(Result):
    """What a function made of the same photo before its code was changed, and after."""

    function: str
    old: str
    new: str
    before: Photo
    after: Photo

    def sentence(self) -> str:
        """What was changed, and that it is as before again."""
        return (
            f"With {self.new} instead of {self.old}, {self.function} made the second picture. "
            "The lab's own code runs again, and the two photos are gone from the bucket."
        )

    def headers(self) -> tuple[str, ...]:
        """One row a picture."""
        return ("code", "pixels", "bytes")

    def rows(self) -> list[tuple[object, ...]]:
        """One row a picture."""
        pictures = ((self.old, self.before), (self.new, self.after))
        return [(code, f"{one.width} x {one.height}", f"{len(one.data):,}") for code, one in pictures]


def code_files(function: str, source: Path | None = None) -> list[Path]:
    """The files of a function's own code, the one that holds its handler first, then what it shares with the others."""
    own = source or LAMBDA_PACKAGES
    shared = own / "shared" if (own / "shared").is_dir() else LAMBDA_PACKAGES / "shared"
    return [own / function / f"{function}.py", *sorted(shared.glob("*.py"))]


def change_code(lab: Lab, function_name: str, old: str, new: str) -> Package:
    """The function's package with one piece of its code changed; nothing is uploaded.

    `old` has to stand in the code exactly once. The changed files are in `.labkit/changed-code` of the workspace.
    Raises LabError.
    """
    branch = lab.branch(function_name)
    files = code_files(branch.name, branch.function.source)
    holding = [path for path in files for _ in range(path.read_text("utf-8").count(old) if old else 0)]
    if len(holding) != 1:
        found = "nowhere" if not holding else f"{len(holding)} times"
        raise LabError(
            f"{old!r} stands {found} in the code of {branch.name}, and has to stand there once.",
            where="changing the code",
            hint=f"show_code({branch.name!r}) shows it: copy a piece of a line, as it is, that occurs once.",
            code="bad-option",
        )
    folder = lab.workspace / ".labkit" / "changed-code"
    with file_errors(f"writing the changed code into {folder}"):
        shutil.rmtree(folder, ignore_errors=True)
        for path in files:
            target = folder / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8")
            target.write_text(text.replace(old, new) if path in holding else text, "utf-8")
    return build_package(branch.name, lab.target, source=folder)


@aws_errors("trying changed code")
def try_code(lab: Lab, function_name: str, old: str, new: str) -> Tried:
    """Deploy a function with one piece of its code changed, send a photo through, and put the lab's own code back.

    The same photo goes through before and after. Nothing of it stays. Raises LabError, also if no picture comes out.
    """
    package, branch = change_code(lab, function_name, old, new), lab.branch(function_name)
    try:
        upload_code(lab, function_name)
        before = _sent_through(lab, branch.name, TRIED_AS[0])
        upload_code(lab, function_name, package)
        after = _sent_through(lab, branch.name, TRIED_AS[1])
    finally:
        upload_code(lab, function_name)
        for name in TRIED_AS:
            forget_photo(lab, f"ingest/{name}")
    return Tried(branch.name, old, new, before, after)


def _sent_through(lab: Lab, function: str, name: str) -> Photo:
    """What a function makes of the sample."""
    upload = upload_photo(lab, sample(TRIED_ON), name=name)
    wait_for_results(lab, upload)
    return next(photo for photo in read_results(lab, upload.key).results if photo.title == function)


def forget_photo(lab: Lab, key: str) -> None:
    """Delete a photo and its results, if the lab put it there."""
    entry = lab.journal.find("object", key)
    if entry is None:
        return
    photo, bucket = resources.Photo(lab, key, facts=entry.facts), bucket_of(lab)
    for name in photo.results:
        bucket.delete_objects(bucket.object_versions(name))
    photo.delete()
