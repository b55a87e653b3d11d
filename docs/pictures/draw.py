"""Draw the README's map: python docs/pictures/draw.py builds a lab on the embedded AWS, sends a photo, and draws both.

What moves on it is the photo's own trace, slowed down.
"""

import tempfile
from pathlib import Path

from labkit import catch_up, clean_up, embedded_aws, open_lab, sample, survey, trace, upload_photo, wait_for_logs
from labkit.connection import LOCAL_FOLDER
from labkit.insight.facts import facts_of
from labkit.pictures import little_picture
from labkit.show.map import draw_as_it_stands
from labkit.show.replay import LITTLE, replay

PHOTO = "friends.jpg"
SHARPER = 2  # pixels in the file for each on the page


def main() -> None:
    """Write lab.svg beside this file."""
    with tempfile.TemporaryDirectory() as workspace:
        lab = open_lab("local", workspace=Path(workspace), suffix="ab3x9")
        try:
            catch_up(lab, to=4)
            upload = upload_photo(lab, sample(PHOTO))
            for branch in lab.branches:
                wait_for_logs(lab, branch.name, key=upload.key)
            drawn = draw_as_it_stands(survey(lab))
            little = little_picture(sample(PHOTO).read_bytes(), PHOTO, SHARPER * LITTLE)
            way = replay(drawn.forms[0], facts_of(trace(lab, upload.key)), little)
            print(drawn.save(Path(__file__).with_name("lab.svg"), over=way))
            clean_up(lab)
        finally:
            embedded_aws.stop(Path(workspace) / LOCAL_FOLDER)


if __name__ == "__main__":
    main()
