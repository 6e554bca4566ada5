import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from deepgum.audit.calibration import Calibration, Reliability
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import RunSummary
from deepgum.audit.verdict import group_verdict
from deepgum.data.pictures import Pictures
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture import MixtureStatus
from deepgum.posteriors.shares import Share
from deepgum.report.page import write_report
from deepgum.report.page.words import count, percent
from deepgum.report.terminal.score import scores
from deepgum.wording import percent as plain_percent

HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    "\"double\" and 'single' & more.png",
    "line\nbreak\r\n.png",
    "</script><script>alert(2)</script>.png",
    "<!--<script>.png",
    "../../etc/passwd",
    "\u2028separators\u2029.png",
    "顔の画像 وجه ansikt-ø.png",
    "{{ 7 * 7 }}{% raw %}.png",
    "javascript:alert(3)",
)
# What names a thing without loading it.
NAMESPACE = "http://www.w3.org/2000/svg"


class Page(HTMLParser):
    """Elements, scripts and texts of a page, as a browser finds them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append([dict(attributes), ""])

    def handle_data(self, text):
        if self.elements and self.elements[-1][0] == "script" and self.cdata_elem == "script":
            self.scripts[-1][1] += text
        elif self.cdata_elem != "style":
            self.text += text

    def block(self, name):
        found = [text for attributes, text in self.scripts if attributes.get("id") == name]
        return json.loads(found[0]) if found else None

    @property
    def words(self):
        return " ".join(self.text.replace("\N{NO-BREAK SPACE}", " ").split())


def page_of(folder, **options):
    return Page(write_report(folder, **options).read_text(encoding="utf-8"))


def rewritten(audit, names=None, **changes):
    """The audit with other ids, and with changes to its summary."""
    labels, pictures = audit.labels(), audit.pictures()
    if names:
        names = (*names, *labels.ids[len(names) :])
        labels, pictures = replace(labels, ids=names), Pictures(pictures.folder, names, pictures.squares)
    other = AuditFolder(audit.path.with_name("other"))
    other.write(replace(audit.summary(), **changes), labels, pictures)
    return other


@pytest.fixture
def hostile(audited):
    labels = audited.labels()
    order = list(dict.fromkeys(row for row, _ in labels.worst_first()))
    names = list(labels.ids)
    for row, name in zip(order, HOSTILE, strict=True):
        names[row] = name
    return rewritten(
        audited,
        names,
        verdict="<b>bold</b> & \"quoted\"",
        unreadable={name: f"why {name}" for name in HOSTILE},
        conflicts=(HOSTILE[:2], HOSTILE[2:4]),
        backbone="<i>net</i>",
    )  # fmt: skip


def test_names_make_no_element_and_no_script(audited, hostile):
    plain, page = page_of(audited), page_of(hostile)
    assert len(page.scripts) == len(plain.scripts)
    assert {tag for tag, _ in page.elements} - {tag for tag, _ in plain.elements} <= {"section", "li", "ul", "span"}
    attributes = [name for _, attributes in page.elements for name in attributes]
    assert not [name for name in attributes if name.startswith("on") or name == "srcdoc"]


def test_names_are_unchanged(hostile):
    page = page_of(hostile)
    assert page.block("gallery-data")["samples"]["id"] == list(HOSTILE)
    lines = page.text.replace("\r\n", "\n")
    for name in HOSTILE:
        assert f"why {name}".replace("\r\n", "\n") in lines
    assert '<b>bold</b> & "quoted"' in page.text


def test_embedded_data_cannot_end_a_script_or_a_line(hostile):
    text = write_report(hostile).read_text(encoding="utf-8")
    for block in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL):
        assert not set(block) & set("<>&\u2028\u2029\n")
        assert block.isascii()


def test_a_lone_surrogate_does_not_stop_the_report(audited):
    folder = rewritten(audited)
    labels = replace(folder.labels(), ids=("\udcff.png", *folder.labels().ids[1:]))
    folder.labels = lambda: labels
    assert page_of(folder).block("gallery-data")["samples"]["id"][0] == "\udcff.png"


def test_a_page_loads_nothing_from_a_network(audited):
    text = write_report(audited).read_text(encoding="utf-8")
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img", "form")
        assert "src" not in attributes
        for name in ("href", "xlink:href", "action", "poster", "data", "srcset"):
            assert attributes.get(name, "#").startswith("#")
    assert set(re.findall(r"\b\w+://[^\s\"'<>)]*", text)) <= {NAMESPACE}
    assert "@import" not in text
    assert not re.findall(r"\burl\((?!#)", text)
    for loads in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "innerHTML", "eval(", "insertAdjacentHTML"):
        assert loads not in text


def test_the_policy_allows_these_scripts_and_no_loading(audited):
    page = page_of(audited)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    for attributes, text in page.scripts:
        if "type" not in attributes:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy


def test_the_numbers_are_those_of_the_summary(audited):
    summary, page = audited.summary(), page_of(audited)
    share = summary.share
    words = page.words
    assert summary.verdict in words
    for shown in (share.estimate, share.low, share.high):
        assert percent(shown).replace("\N{NO-BREAK SPACE}", " ") in words
    assert f"labels flagged {count(summary.flags)} of {count(summary.labels)}, in 10 of 40 samples" in words
    assert f"flagged, but right {count(summary.expected_false_flags)} expected" in words
    for group in summary.groups:
        row = f"{group.name} {count(group.labels)} {count(group.flags)} {percent(group.share.estimate)}"
        assert row.replace("\N{NO-BREAK SPACE}", " ") in words


def test_a_lower_bound_is_shown_as_a_lower_bound(audited):
    share = Share.at_least(0.0421, 0.0789)
    groups = tuple(replace(group, share=share) for group in audited.summary().groups)
    words = page_of(rewritten(audited, share=share, groups=groups)).words
    assert "labels wrong at least 4.2 %" in words
    assert "interval" not in words


@pytest.mark.parametrize("low", [0.1109, 0.0312, 0.0004])
def test_a_share_is_the_same_number_in_the_title_the_table_and_the_terminal(audited, low):
    share = Share.at_least(low, low + 0.02)
    (group,) = audited.summary().groups[:1]
    group = replace(group, share=share)
    verdict = group_verdict(MixtureStatus.CONVERGED, labels=9, flags=1, expected_false_flags=0.1, share=share)
    summary = replace(audited.summary(), groups=(group,), share=share, verdict=verdict)
    page = page_of(rewritten(audited, groups=(group,), share=share, verdict=verdict))
    console = Console(file=io.StringIO(), width=200)
    console.print(scores(summary, []))
    number = f"{plain_percent(low)} %"
    assert f"labels wrong at least {number}" in page.words
    assert f"{plain_percent(low + 0.02)} % {number} " in page.words  # the estimate and the bound, in the table
    assert f"at least {number}" in console.file.getvalue()
    if low >= 0.0005:
        assert page.words.count(f"At least {number} of the labels are wrong") >= 1


def test_flags_are_worst_first_with_their_measures(audited):
    labels, data = audited.labels(), page_of(audited).block("gallery-data")
    flags, samples = data["flags"], data["samples"]
    places = [(samples["row"][s], g) for s, g in zip(flags["sample"], flags["group"], strict=True)]
    assert places == labels.worst_first()
    assert flags["posterior"] == sorted(flags["posterior"])
    for name, values in (("posterior", labels.responsibilities), ("distance", labels.mahalanobis)):
        np.testing.assert_allclose(flags[name], [values[place] for place in places], rtol=1e-5)
    assert flags["why"] == [labels.why[place] for place in places]
    for name in ("given", "predicted"):
        np.testing.assert_allclose(samples[name], getattr(labels, name)[samples["row"]], rtol=1e-5)


def test_pictures_are_in_blocks_with_the_script_after_the_first(audited, monkeypatch):
    monkeypatch.setattr("deepgum.report.page.report._FIRST", 4)
    monkeypatch.setattr("deepgum.report.page.report._REST", 3)
    page = page_of(audited)
    assert page.block("gallery-data")["chunks"] == [0, 4, 7]
    blocks = [page.block(f"pictures-{number}") for number in range(4)]
    assert [block and len(block) for block in blocks] == [4, 3, 3, None]
    for encoded in chain(*blocks[:3]):
        assert base64.b64decode(encoded).startswith(b"\xff\xd8")  # a JPEG
    names = [attributes.get("id", "code") for attributes, _ in page.scripts]
    assert names == ["code", "gallery-data", "pictures-0", "code", "code", "pictures-1", "pictures-2"]


def test_pictures_that_cannot_be_shown_have_a_problem(audited):
    folder, labels = audited.path.parent, audited.labels()
    worst = [labels.ids[row] for row, _ in labels.worst_first()]
    (folder / worst[0]).unlink()
    (folder / worst[1]).write_bytes(b"no image")
    outside = folder.parent / "outside.png"
    outside.write_bytes((folder / worst[3]).read_bytes())
    (folder / worst[2]).unlink()
    (folder / worst[2]).symlink_to(outside)
    page = page_of(audited)
    problems = page.block("gallery-data")["samples"]["problem"]
    assert list(problems) == ["0", "1", "2"]
    assert "no such file" in problems["0"]
    assert "not an image" in problems["1"]
    assert "outside" in problems["2"]
    assert page.block("pictures-0")[:4].count("") == 3


def test_unreadable_samples_are_named(audited):
    unreadable = {f"{i}.png": "Cut off." for i in range(700)}
    words = page_of(rewritten(audited, unreadable=unreadable)).words
    assert "700 samples" in words
    assert "0.png Cut off." in words
    assert "And 200 more, in summary.json." in words


@pytest.mark.fault(21)
def test_no_absolute_path_is_shown(audited, monkeypatch):
    folder = audited.path.parent
    worst = [audited.labels().ids[row] for row, _ in audited.labels().worst_first()]
    (folder / worst[0]).write_bytes(b"no image")
    decoders = {worst[1]: ValueError(f"cannot decode '{folder / worst[1]}'")}

    def failing_open(path, *more, **options):
        if (error := decoders.get(path.relative_to(folder).as_posix())) is not None:
            raise error
        return real_open(path, *more, **options)

    real_open = Image.open
    monkeypatch.setattr(Image, "open", failing_open)
    reasons = {f"{name}": f"{name}: cannot identify image file '{folder / name}'" for name in worst[:2]}
    other = rewritten(audited, unreadable=reasons)
    text = write_report(other).read_text(encoding="utf-8")
    assert str(folder) not in text
    page = Page(text)
    assert "faces.csv" in page.words
    assert "deepgum review other" in page.words
    assert page.block("gallery-data")["samples"]["problem"]["1"] == f"Cannot be read: cannot decode '{worst[1]}'."
    monkeypatch.chdir(folder.parent)
    relative = Path(folder.name, "other")
    assert f"deepgum review {relative}" in page_of(AuditFolder(relative)).words


def test_copies_with_different_labels_are_named(audited):
    words = page_of(rewritten(audited, conflicts=(("a.png", "b.png"),))).words
    assert "Copies with different labels" in words
    assert "a.png · b.png" in words
    assert "1 set of copies of one image, with different labels. At most one label in each set is right." in words


def test_rows_with_equal_features_may_be_different_samples(audited):
    other = AuditFolder(audited.path.with_name("other"))
    conflicts = (("a", "b"), ("c", "d"))
    other.write(replace(audited.summary(), conflicts=conflicts), audited.labels(), None)
    words = page_of(other).words
    assert "Rows with the same features and different labels" in words
    assert "2 sets of rows with the same features and different labels." in words
    assert "if they are different samples, all may be right" in words
    assert "At most one" not in words


def of_many(audit, groups):
    """The report of an audit without flags, with these groups of one label each."""
    n, g = 30, len(groups)
    names, values = tuple(group.name for group in groups), np.random.default_rng(0).normal(size=(n, g))
    labels = ScoredLabels(
        ids=tuple(map(str, range(n))), target_names=names, group_names=names, partition=tuple((i,) for i in range(g)),
        given=values, predicted=0 * values, responsibilities=np.full((n, g), 0.9), mahalanobis=np.abs(values),
        suggested=values, uncertainty=values,
    )  # fmt: skip
    other = AuditFolder(audit.path.with_name(f"of {g}"))
    summary = audit.summary()
    data = replace(summary.data, landmarks=False)
    other.write(replace(summary, data=data, groups=tuple(groups), flags=0), labels, None)
    return page_of(other).words


def test_a_sentence_about_many_groups_is_there_once_with_their_names(audited):
    known = audited.summary().groups[1]
    known = replace(known, covariance=((1.0,),))
    silent = replace(known, share=None, status="NO_INLIERS", verdict="Nothing was learned.")
    alone = replace(silent, name="chin", verdict="The chin is hidden.")
    many = [replace(silent, name=f"point {place}") for place in range(68)]
    words = of_many(audited, [known, *many, alone])
    assert words.count("Nothing was learned.") == 1
    assert "68 labels: Nothing was learned. Which labels point 0, point 1," in words
    assert "The chin is hidden." in words
    assert of_many(audited, [known, *many[:2]]).count("Nothing was learned.") == 2


def test_the_shares_that_are_unknown_are_counted(audited):
    known = replace(audited.summary().groups[1], covariance=((1.0,),))
    groups = [replace(known, name=f"g{place}", share=None if place < 20 else known.share) for place in range(40)]
    assert "Share of wrong labels, the 16 largest, 20 unknown left out:" in of_many(audited, groups)


def test_the_gallery_is_limited_to_the_worst_flags(audited):
    page = page_of(audited, most=4)
    data = page.block("gallery-data")
    assert (len(data["flags"]["sample"]), data["total"]) == (4, 10)
    assert "The gallery shows the 4 worst of 10 flagged labels" in page.words


def test_a_report_without_flags_shares_and_pictures(audited):
    labels, summary = audited.labels(), audited.summary()
    kept = replace(labels, responsibilities=np.full_like(labels.responsibilities, 0.9), kinds={}, why={})
    groups = tuple(
        replace(group, share=None, flags=0, status="NO_INLIERS", verdict="Nothing was learned.")
        for group in summary.groups
    )
    other = AuditFolder(audited.path.with_name("other"))
    other.write(replace(summary, flags=0, expected_false_flags=0.0, share=None, groups=groups), kept, None)
    page = page_of(other)
    assert "labels wrong unknown" in page.words
    assert "cannot be distinguished" in page.words
    assert "Nothing was learned." in page.words
    data = page.block("gallery-data")
    assert (data["flags"]["sample"], data["chunks"], data["pictures"]) == ([], [], False)


def test_progress_is_reported_to_the_end(audited):
    told = []
    write_report(audited, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 10) for done in range(1, 11)]


def test_a_failed_report_keeps_the_previous_one(audited, monkeypatch):
    path = write_report(audited)
    before = path.read_bytes()
    monkeypatch.setattr("deepgum.report.page.report.gallery_data", lambda *_: {"flags": float("nan")})
    with pytest.raises(Exception, match=r".*"):
        write_report(audited)
    assert path.read_bytes() == before
    assert sorted(each.name for each in audited.path.iterdir() if "report" in each.name) == ["report.html"]


def test_unfinished_audits_and_wrong_numbers_are_refused(audited, tmp_path):
    with pytest.raises(InvalidDataError, match="folder of a finished audit"):
        write_report(AuditFolder(tmp_path / "nowhere"))
    with pytest.raises(InvalidParameterError, match="`most`"):
        write_report(audited, most=0)


def test_the_title_is_the_first_statement_of_the_verdict(audited):
    verdict = "How many are wrong cannot be told: tails are heavy. Better predictions would tell."
    audited.write(replace(audited.summary(), verdict=verdict), audited.labels(), audited.pictures())
    words = page_of(audited).words
    assert "How many are wrong cannot be told Tails are heavy. Better predictions would tell. labels wrong" in words


def test_labels_made_wrong_on_purpose_give_a_reliability_section(audited):
    assert "reliability" not in " ".join(dict(attributes).get("id", "") for _, attributes in page_of(audited).elements)
    bins = Reliability(0.0123, (6, 2), (0.1, 0.9), (0.1, 0.9))
    Calibration(0.25, None, 0.875, 0.5, replace(bins, error=0.0456), bins).write(audited.calibration_file)
    page = page_of(audited)
    assert ("section", {"id": "calibration", "aria-labelledby": "calibration-title"}) in page.elements
    for words in (
        "25 % of the labels were made wrong",
        "0.0123; for the posterior of eq. 1: 0.0456",
        "88 % of the flagged",
        "50 % of the wrong",
    ):
        assert words in page.words
    assert "Average precision" not in page.words
    assert any(
        attributes.get("aria-label") == "Share of wrong labels against their probability"
        for _, attributes in page.elements
    )
    audited.calibration_file.write_text("{")
    with pytest.raises(InvalidDataError, match="calibration"):
        page_of(audited)


def test_runs_with_flags_are_listed_with_their_reasons(audited):
    share = Share.at_least(0.4, 0.6)
    runs = (RunSummary(HOSTILE[3], 30, 12, share, "off"), RunSummary("day 2", 30, 0, Share.at_least(0.0, 0.0), ""))
    page = page_of(rewritten(audited, runs=runs, n_runs=2))
    assert f"{HOSTILE[3]} 30 12 60 % 40 %" in page.words
    assert "No label of the other run is flagged." in page.words
    assert ("a", {"href": "#runs"}) in page.elements
    assert ("a", {"href": "#runs"}) not in page_of(audited).elements
