"""UTKFace: images of faces with the age of the person in the file name.

Z. Zhang, Y. Song and H. Qi, "Age Progression/Regression by Conditional Adversarial Autoencoder", CVPR 2017. This is the
"aligned and cropped" part of the data set on the web page of that publication. One folder holds all images of 200 x 200
pixels, with names of the form

    AGE_GENDER_RACE_TIMESTAMP.jpg.chip.jpg

The age is the first field, in whole years. Only the age is read, because other fields are missing in some names. There
is no list and no official split. Some images have exact copies in the data set, under different ages. Copies are kept
together, so that no test image is a copy of a training image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepgum.checks import check_count
from deepgum.data.crop_cache import CropPlan, Progress, default_cache_dir
from deepgum.data.listed_images import image_names, load_pool, usable_rows
from deepgum.data.pool import Pool
from deepgum.data.sets.ages import AGE, MIRROR, OLDEST, NamedAges, ages_in_names, plausible
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request
from deepgum.errors import InvalidParameterError
from deepgum.storage.hashes import KeptHashes

__all__ = ["UtkFace", "load_utkface"]

_SOURCE = (
    "The set is UTKFace, 'aligned and cropped', of Z. Zhang, Y. Song and H. Qi's 'Age Progression/Regression by "
    "Conditional Adversarial Autoencoder' (CVPR 2017)."
)

_PUBLISHED = re.compile(r"\d{1,3}_[01]_\d_\d+.*\.jpg$")


def load_utkface(
    folder: str | os.PathLike[str],
    image_size: int,
    *,
    colour: bool = True,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
) -> Pool:
    """Return all images of a folder with their ages, in the order of the file names.

    Parameters
    ----------
    folder : path
        Folder of the images.
    image_size : int
        Side of the images in pixels, after resizing.
    colour : bool
        If true, images are RGB (n, 3, h, w). If false, they are grey (n, 1, h, w).
    skip_missing : bool
        This parameter has no effect, because there is no list and no image can be missing. It exists because all
        loaders of images have this parameter.
    skip_unreadable : bool
        Whether to leave out images that cannot be decoded or have no valid age in their names. A warning gives their
        number.
    cache_dir : path, optional
        Folder of the cache of decoded images; see `deepgum.data.crop_cache.load_crops`.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.

    Returns
    -------
    Pool
        The samples have one target, the age in years. Images that are exact copies are kept together. The id of a
        sample is the file name.

    Raises
    ------
    InvalidParameterError
        If the folder does not exist or holds no image, or `image_size` is out of range.
    InvalidDataError
        If a file name has no age from 0 to 120 and `skip_unreadable` is not set.
    UnreadableImagesError, DiskFullError
        See `deepgum.data.listed_images.load_pool`.
    """
    root = Path(folder)
    check_count("image_size", image_size, least=8)
    names = image_names(root) if root.is_dir() else []
    if not names:
        raise InvalidParameterError(
            "folder", "a folder that holds 'AGE_GENDER_RACE_TIME.jpg' images", str(root), _SOURCE
        )
    ages = ages_in_names(names)
    rule = f"The names of the images in '{root}' should begin with an age of 0 to {OLDEST} years and '_'."
    rows = usable_rows(names, plausible(ages).tolist(), rule, skip_unreadable)
    names = [names[row] for row in rows]
    cache = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    # A file that cannot be read has no copies; the decoder reports it.
    hashes = KeptHashes(cache, root).of(names, on_progress)
    copies = [name if content is None else content for name, content in zip(names, hashes, strict=True)]
    return load_pool(
        CropPlan(root, tuple(names), (None,) * len(names), image_size, colour),
        ages[rows, None],
        AGE,
        mirror=MIRROR,
        keep_together=copies,
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
        on_progress=on_progress,
    )


class UtkFace(Dataset):
    """UTKFace, split at random. All copies of an image stay in one part."""

    name = "utkface"
    description = "ages, UTKFace"
    image_size = 64
    measure = Measure("years", landmarks=False, moved=5.0)

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the images in the order of the file names."""
        return load_utkface(request.path, **request.images)

    def detect(self, path: Path) -> bool:
        """Return whether the folder has a file whose name has the published form AGE_GENDER_RACE_TIMESTAMP.jpg."""
        return path.is_dir() and any(_PUBLISHED.match(entry.name) for entry in path.iterdir())

    def labels(self, path: Path, options: Mapping[str, Any]) -> NamedAges:
        """Read the ages from the names of the images.

        Raises
        ------
        InvalidParameterError
            If the folder holds no image.
        """
        files = tuple(image_names(path)) if path.is_dir() else ()
        if not files:
            raise InvalidParameterError("data", "a folder that holds 'AGE_GENDER_RACE_TIME.jpg' images", str(path))
        return NamedAges(source=path, ids=files, names=AGE, values=ages_in_names(files)[:, None], files=files)
