"""Images of a file of predictions are found among the labelled images, and a file of other images is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepgum.data.same_images import labelled_images
from deepgum.errors import InvalidDataError


@pytest.mark.parametrize(("names", "found"), [(["b/2.png"], "other images, such as 'b/2.png'"), ([], "Found none")])
def test_predictions_for_other_images_are_refused(names: list[str], found: str) -> None:
    with pytest.raises(InvalidDataError, match=found) as error:
        labelled_images(Path("poses.csv"), names, ["a/1.png", "a/2.png"])
    assert "'poses.csv'" in str(error.value)
    assert "'a/1.png'" in str(error.value)


def test_images_without_labels_are_left_out() -> None:
    assert labelled_images(Path("poses.csv"), ["3.png", "2.png"], ["a/1.png", "a/2.png"]) == ["", "a/2.png"]
