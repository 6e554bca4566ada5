"""Figures as inline SVG, in the colours of the page (light or dark), with text as SVG text."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["INK", "LINE", "PREDICTED", "SOFT", "WRONG", "inline_svg", "label_text"]

# Placeholders for the colours of the page, which change with its theme. No figure uses these colours otherwise.
INK, SOFT, LINE, WRONG, PREDICTED = "#010203", "#020304", "#030405", "#040506", "#050607"
_VARIABLES = {INK: "--ink", SOFT: "--soft", LINE: "--line", WRONG: "--given", PREDICTED: "--predicted"}
_LONGEST = 28


def inline_svg(figure: Figure, name: str, title: str) -> Markup:
    """Return a figure as an SVG element for a page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure in the colours `INK`, `SOFT`, `LINE`, `WRONG` and `PREDICTED`, which become the colours of the page.
    name : str
        Prefix of the ids in the figure, with letters and dashes only. Each figure of a page needs a different prefix.
    title : str
        Description of the figure for screen readers.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> print(inline_svg(Figure(figsize=(1, 1)), "empty", "<nothing>")[:90])
    <svg viewBox="0 0 72 72" role="img" aria-label="&lt;nothing&gt;" class="figure"><defs /><g
    """
    from matplotlib import rc_context

    written = io.StringIO()
    with warnings.catch_warnings(), rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        # A missing glyph is no problem, because a browser uses other fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())
    box = root.get("viewBox", "")
    _adapt(root, name)
    root.attrib = {"viewBox": box, "role": "img", "aria-label": title, "class": "figure"}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _adapt(element: ElementTree.Element, name: str) -> None:
    """Adapt an SVG element to the page: remove the parts that only a separate file needs, put the prefix `name` before
    the ids, and replace the colours by those of the page.
    """
    element.tag = element.tag.rpartition("}")[2]  # an HTML parser knows the namespaces
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif key == "href":
            attributes[key] = value.replace("#", f"#{name}-", 1)
        elif key == "clip-path":
            attributes[key] = value.replace("url(#", f"url(#{name}-", 1)
        elif key == "style":
            attributes[key] = _style(value)
    element.attrib = attributes
    if element.text is not None and not element.text.strip():
        element.text = None
    for child in list(element):
        child.tail = None
        if child.tag.rpartition("}")[2] in ("metadata", "style"):
            element.remove(child)
        else:
            _adapt(child, name)


def _style(style: str) -> str:
    # Text keeps its size and takes the font of the page. Some matplotlib versions write size and font as one property.
    style = re.sub(r"font-family: [^;]*;? ?", "", style)
    style = re.sub(r"font: (?:[^;']*? )?([\d.]+px)[^;]*", r"font-size: \1", style)
    for colour, variable in _VARIABLES.items():
        style = style.replace(colour, f"var({variable})")
    return style


def label_text(text: str) -> str:
    r"""Return a name as a string for a figure: one short line without characters that XML forbids.

    Examples
    --------
    >>> label_text("left eye\n" + "x" * 40), label_text("\x00")
    ('left eye xxxxxxxxxxxxxxxxxx…', '\ufffd')
    """
    line = re.sub(r"\s+", " ", text).strip()
    line = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"
