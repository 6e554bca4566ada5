"""Figure 5 of the paper: failure rate, precision and recall against the share of wrong labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepgum.errors import InvalidDataError
from deepgum.experiments.paper.records import RunRecord
from deepgum.report.paper.summary import distinct, spread
from deepgum.report.style import is_oracle, method_styles, noise_label
from deepgum.styles import MethodStyle

__all__ = ["draw_figure5"]

_ROWS = (
    ("failure_rate", "failure rate (%)\nclean test set"),
    ("precision", "precision (%)\ntraining labels"),
    ("recall", "recall (%)\ntraining labels"),
)
_NOISE_ORDER = ("ngo", "l-ugo", "g-ugo")


def draw_figure5(records: Sequence[RunRecord]) -> Figure:
    """Draw Figure 5: one column per kind of noise, with the failure rate on top, and precision and recall of the flags
    below.

    A line is the mean over the seeds. A band goes from the lowest to the highest value over the seeds. Methods without
    a flag rule (L2, L1) and the oracles have no precision and no recall.

    Raises
    ------
    InvalidDataError
        If there are no records; if the records differ in data set, sizes or share of deleted labels; or if records of
        one kind of noise differ in their groups.
    """
    if not records:
        raise InvalidDataError("`records` should hold at least one run. Found none.")
    _check_comparable(records)
    styles = method_styles(records)
    noises = sorted(distinct(records, lambda record: record.noise), key=_rank)
    figure = Figure(figsize=(1.6 + 3.1 * len(noises), 7.2), layout="constrained")
    panels = figure.subplots(len(_ROWS), len(noises), squeeze=False, sharex="col", sharey="row")
    for column, noise in enumerate(noises):
        of_noise = [record for record in records if record.noise == noise]
        for axes, (field, label) in zip(panels[:, column], _ROWS, strict=True):
            _draw_panel(axes, of_noise, field, styles)
            if column == 0:
                axes.set_ylabel(label)
        panels[0, column].set_title(noise_label(noise))
        panels[-1, column].set_xlabel("wrong labels (%)")
    for axes in panels[0]:
        axes.set_ylim(bottom=0)
    for axes in panels[1:].flat:
        axes.set_ylim(-2, 102)
    handles = {
        label: handle for axes in panels.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=min(5, len(handles)), frameon=False
    )
    return figure


def _draw_panel(axes: Axes, records: Sequence[RunRecord], field: str, styles: Mapping[str, MethodStyle]) -> None:
    rates = sorted(distinct(records, lambda record: record.rate))
    for method in distinct(records, lambda record: record.method):
        if is_oracle(method) and field != "failure_rate":
            continue
        values = {
            rate: spread(getattr(r, field) for r in records if r.method == method and r.rate == rate) for rate in rates
        }
        known = {100 * rate: value for rate, value in values.items() if value is not None}
        if not known:
            continue
        style = styles[method]
        x, spreads = list(known), list(known.values())
        axes.plot(
            x,
            [100 * value.mean for value in spreads],
            label=style.label,
            color=style.colour,
            marker=style.marker or "None",
            linestyle=style.dashes,
            markersize=5,
            # The lines of methods are drawn above the lines of oracles.
            zorder=2 if is_oracle(method) else 3,
        )
        if any(value.count > 1 for value in spreads):
            lowest, highest = ([100 * getattr(value, end) for value in spreads] for end in ("lowest", "highest"))
            axes.fill_between(x, lowest, highest, color=style.colour, alpha=0.18, linewidth=0)
    axes.set_xticks([100 * rate for rate in rates])
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _check_comparable(records: Sequence[RunRecord]) -> None:
    for name in ("dataset", "train_size", "image_size", "missing"):
        found = distinct(records, lambda record, name=name: getattr(record, name))  # type: ignore[misc]
        if len(found) > 1:
            raise InvalidDataError(f"`records` of one figure should share `{name}`. Found {found}.")
    for noise in distinct(records, lambda record: record.noise):
        groups = distinct([record for record in records if record.noise == noise], lambda record: record.groups)
        if len(groups) > 1:
            raise InvalidDataError(
                f"`records` of one kind of noise should share `groups`. Found {groups} under {noise_label(noise)}."
            )


def _rank(noise: str) -> int:
    return _NOISE_ORDER.index(noise) if noise in _NOISE_ORDER else len(_NOISE_ORDER)
