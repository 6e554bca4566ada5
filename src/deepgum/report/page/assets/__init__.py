"""Script and style of the gallery, for the report and for the review: plain files, without a build step."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["SCRIPTS", "read_asset", "script", "style", "theme"]

SCRIPTS = (
    "geometry.js",
    "model.js",
    "drawing.js",
    "controls.js",
    "features.js",
    "large.js",
    "keys.js",
    "gallery.js",
    "embedded.js",
)
"""The parts of the script, in the order of their dependencies. Each adds to the one global object `DeepGUM`."""


def read_asset(name: str) -> str:
    """Return the content of the file `name` in this folder, as a string.

    Examples
    --------
    >>> "function toCrop" in read_asset("geometry.js")
    True
    """
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def script() -> str:
    """Return one JavaScript string with everything that `new DeepGUM.Gallery(...)` needs. `gallery.js` explains this
    call.

    Examples
    --------
    >>> "DeepGUM.Gallery = Gallery" in script()
    True
    """
    return "\n".join(map(read_asset, SCRIPTS))


def style() -> str:
    """Return the style sheet of the gallery and of the pages that contain it.

    Examples
    --------
    >>> ".gallery" in style()
    True
    """
    return "\n".join(map(read_asset, ("page.css", "gallery.css")))


def theme() -> str:
    """Return the script of the buttons that choose the theme. The script belongs in the head of a page.

    Examples
    --------
    >>> "data-choose" in theme()
    True
    """
    return read_asset("theme.js")
