"""Draw the README's map: python docs/pictures/draw.py builds a lab on the embedded AWS, sends a photo, and draws it."""

import tempfile
from pathlib import Path

from labkit import catch_up, clean_up, draw_lab, embedded_aws, open_lab, sample, survey, upload_photo, wait_for_results
from labkit.connection import LOCAL_FOLDER


def main() -> None:
    """Write lab.svg beside this file."""
    with tempfile.TemporaryDirectory() as workspace:
        lab = open_lab("local", workspace=Path(workspace), suffix="ab3x9")
        try:
            catch_up(lab, to=4)
            wait_for_results(lab, upload_photo(lab, sample("AWS.jpg")))
            print(draw_lab(survey(lab)).save(Path(__file__).with_name("lab.svg")))
            clean_up(lab)
        finally:
            embedded_aws.stop(Path(workspace) / LOCAL_FOLDER)


if __name__ == "__main__":
    main()
