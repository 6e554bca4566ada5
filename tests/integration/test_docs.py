"""The documentation names every key, choice and number as the code has it, and what it shows can be read and run."""

import re
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import click
import pytest
import torch

from deepgum.cli import main
from deepgum.data import load_head_pose, load_table
from deepgum.data.corruption import NOISES
from deepgum.data.sets.cacd_lists import read_split
from deepgum.data.sets.fld_lists import CLOTHES, read_landmarks
from deepgum.data.sets.keypoint_file import KeypointFile
from deepgum.data.sets.lfw_net import read_list
from deepgum.data.sets.mcgill import read_frames
from deepgum.data.sets.registry import DATASETS
from deepgum.data.sets.table_split import PART_NAMES
from deepgum.experiments.paper.reproduce import ARTEFACTS, figure5_options, make_plan
from deepgum.experiments.paper.scales import SCALES
from deepgum.experiments.runs.config import (
    CACHE_DTYPES,
    CorruptionConfig,
    DataConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
)
from deepgum.losses import Loss
from deepgum.mixture import GaussianUniformMixture
from deepgum.mixture.gaussian import STRUCTURES
from deepgum.mixture.partition import NAMES as GROUP_NAMES
from deepgum.models import MODELS, VGG16, split_at
from deepgum.training import METHODS, DeepGUMOptions, SGDOptions
from deepgum.training.options import RETURNS, UNSCALED
from deepgum.training.schedules import EM_STARTS, RESTARTS, RULES
from deepgum.training.schedules import SCHEDULES as SCHEDULES_OF_EM
from deepgum.training.sgd_options import OPTIMIZERS, PRECISIONS, SCHEDULES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    name: (DOCS / name).read_text(encoding="utf-8") for name in ("configuration.md", "datasets.md", "reproduce.md")
}
CONFIGURATION, SETS, REPRODUCE = PAGES.values()
SECTIONS = {
    "`[data]`": DataConfig,
    "`[model]`": ModelConfig,
    "`[method]`": MethodConfig,
    "`[method.options]`": DeepGUMOptions,
    "`[corruption]`": CorruptionConfig,
    "`[training]`": SGDOptions,
}
KINDS = {Path: "path", float: "number", int: "whole number", str: "text", bool: "true or false", dict: "table"}
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL), start=1)
]


def section(text, title, level="##"):
    """The text under a heading, to the next one of its level or above."""
    heading, end = rf"^{level} {re.escape(title)}[^\n]*\n", rf"(?=^#{{1,{len(level)}}} |\Z)"
    found = re.search(rf"{heading}(.*?){end}", text, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[1]


def tables(text):
    """Every table as a list of rows, the heading first, each a list of cells."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    split = [[[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in b.splitlines()] for b in blocks]
    return [[rows[0], *rows[2:]] for rows in split]


def keys(table):
    return {row[0].strip("`"): row[1:] for row in table[1:]}


def spans(text):
    return re.findall(r"`([^`]+)`", text)


def code(text):
    return set(spans(text))


def default_of(cell):
    """Return the value in a cell of the column "default": None for a dash, otherwise the TOML value."""
    return None if cell == "-" else tomllib.loads(f"value = {cell.strip('`')}")["value"]


def kind_of(hint):
    hints = get_args(hint) if get_origin(hint) in (types.UnionType,) else (hint,)
    # In Python a name may also be an object, which a file cannot hold.
    kinds = [KINDS[get_origin(kind) or kind] for kind in hints if kind not in (types.NoneType, Any, Loss)]
    return " or ".join(kinds)


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_has_a_row_for_each_key_with_its_type_and_default(title):
    cls = SECTIONS[title]
    rows = keys(tables(section(CONFIGURATION, title))[0])
    # Keys and tables of `[method]`.
    own = ("groups", "schedule", "mixture") if cls is DeepGUMOptions else ()
    known = {f.name: f for f in fields(cls) if f.name not in own}
    assert list(rows) == list(known)
    hints = get_type_hints(cls)
    for name, (kind, default, meaning) in rows.items():
        field = known[name]
        value = field.default if field.default is not MISSING else field.default_factory()
        assert kind == kind_of(hints[name]), name
        assert default_of(default) == value, name
        assert meaning


def test_the_schedules_have_a_row_for_each_option_with_its_defaults():
    rows = keys(tables(section(CONFIGURATION, "`[method.schedule]`"))[0])
    known = {option: None for kind in SCHEDULES_OF_EM.values() for option in [f.name for f in fields(kind)]}
    assert set(rows) == {"name", *known}
    for column, (name, kind) in enumerate(SCHEDULES_OF_EM.items(), start=1):
        options, hints = asdict(kind()), get_type_hints(kind)
        defaults = {option: cells[column] for option, cells in rows.items() if cells[column]}
        assert {option: default_of(cell) for option, cell in defaults.items()} == {"name": name, **options}
        for option in options:
            assert rows[option][0] == kind_of(hints[option]), option
    assert all(cells[-1] for cells in rows.values())


def test_the_mixture_has_a_row_for_each_setting_with_its_type_and_default():
    rows = keys(tables(section(CONFIGURATION, "`[method.mixture]`"))[0])
    settings, hints = DeepGUMOptions().to_mapping()["mixture"], get_type_hints(GaussianUniformMixture.__init__)
    assert set(rows) == set(settings)
    for name, (kind, default, meaning) in rows.items():
        assert kind == kind_of(hints[name]), name
        assert default_of(default) == settings[name], name
        assert meaning


def test_the_seed_is_the_only_key_before_the_sections():
    assert list(keys(tables(section(CONFIGURATION, "Before the first section"))[0])) == ["seed"]
    assert {f.name for f in fields(RunConfig)} == {"seed", "data", "model", "method", "corruption", "training"}


@pytest.mark.parametrize(
    ("title", "key", "choices"),
    [
        ("`[data]`", "name", DATASETS),
        ("`[model]`", "name", MODELS),
        ("`[model]`", "cache_dtype", CACHE_DTYPES),
        ("`[method]`", "groups", GROUP_NAMES),
        ("`[method.schedule]`", "name", SCHEDULES_OF_EM),
        ("`[method.options]`", "first_loss", UNSCALED),
        ("`[method.options]`", "weighted_loss", UNSCALED),
        ("`[method.schedule]`", "restart", RESTARTS),
        ("`[method.schedule]`", "epoch_rule", RULES),
        ("`[method.options]`", "returned_round", RETURNS),
        ("`[method.mixture]`", "covariance_type", STRUCTURES),
        ("`[method.schedule]`", "em_start", EM_STARTS),
        ("`[corruption]`", "noise", NOISES),
        ("`[training]`", "optimizer", OPTIMIZERS),
        ("`[training]`", "schedule", SCHEDULES),
        ("`[training]`", "precision", PRECISIONS),
    ],
)
def test_a_row_names_every_choice(title, key, choices):
    meaning = keys(tables(section(CONFIGURATION, title))[0])[key][-1]
    assert set(choices) <= code(meaning)


def test_the_methods_are_all_there():
    named = tables(section(CONFIGURATION, "`[method]`"))[1]
    assert set().union(*(code(row[0]) for row in named[1:])) == set(METHODS)


def test_the_groups_without_a_choice_are_those_of_the_data_sets():
    meaning = keys(tables(section(CONFIGURATION, "`[method]`"))[0])["groups"][-1]
    by_landmark = code(re.search(r"By default `landmark` for (.*), and `sample` for all others", meaning)[1])
    assert by_landmark == {name for name, dataset in DATASETS.items() if dataset.groups == "landmark"}
    assert {dataset.groups for dataset in DATASETS.values()} == {"landmark", "sample"}


def test_every_option_of_every_data_set_has_a_row():
    text = section(CONFIGURATION, "`[data.options]`")
    parts = re.split(r"^`([a-z-]+)`:$", text, flags=re.MULTILINE)
    found = {name: keys(tables(body)[0]) for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    assert set(found) == {name for name, dataset in DATASETS.items() if dataset.options}
    for name, rows in found.items():
        assert {key: default_of(cells[1]) for key, cells in rows.items()} == dict(DATASETS[name].options)
    assert set(CLOTHES) <= code(found["fld"]["clothes"][-1])
    assert set(PART_NAMES) <= code(found["table"]["part"][-1])
    without = re.search(r"^(.*) have none\.$", text, flags=re.MULTILINE)[1]
    assert code(without) == set(DATASETS) - set(found)


def test_the_image_sizes_are_those_of_the_data_sets():
    rows = tables(section(CONFIGURATION, "`[data]`"))[1][1:]
    assert {spans(row[0])[0]: int(row[1]) for row in rows} == {n: d.image_size for n, d in DATASETS.items()}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_toml_is_a_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = section(SETS, "A data set of your own")
    (tmp_path / "my_sets.py").write_text(re.search(r"```python\n(.*?)```", own, flags=re.DOTALL)[1], encoding="utf-8")
    config = RunConfig.from_mapping(tomllib.loads(block))
    assert RunConfig.from_mapping(config.to_mapping()) == config


def test_every_data_set_is_described_with_a_block_of_its_own():
    assert {spans(row[1])[0] for row in tables(SETS)[0][1:]} == set(DATASETS)
    for name in DATASETS:
        first = re.search(r"```toml\n(.*?)```", section(SETS, f"`{name}`"), flags=re.DOTALL)
        assert tomllib.loads(first[1])["data"]["name"] == name


def test_the_shown_files_are_those_by_which_a_data_set_is_detected(tmp_path):
    rows = {spans(row[0])[0]: spans(row[1]) for row in tables(SETS)[1][1:]}
    assert set(rows) == {name for name, dataset in DATASETS.items() if dataset.needs_folder}
    for name, files in rows.items():
        if isinstance(DATASETS[name], KeypointFile):  # detected by the content of a file
            continue
        for number, chosen in enumerate([[file] for file in files] if name == "cacd" else [files]):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            for file in chosen:
                (folder / file).parent.mkdir(exist_ok=True)
                (folder / file).mkdir() if file == "CACD2000" else (folder / file).touch()
            path = folder if chosen else Path(__file__)
            assert [other for other, dataset in DATASETS.items() if dataset.detect(path)] == [name]


def test_the_units_and_groups_of_the_data_sets():
    for row in tables(SETS)[0][1:]:
        dataset = DATASETS[spans(row[1])[0]]
        assert row[2] == f"a {dataset.groups}"
        words = {"": "the labels' unit", "px of 224": "pixels of 224"}.get(dataset.measure.unit, dataset.measure.unit)
        assert row[3].endswith(words)
    threshold = 0.05 * DATASETS["fld"].measure.factor
    assert f"fails beyond 5 % of it, {threshold:g}." in section(SETS, "`fld`")


def indented(text, start):
    """The indented lines from the one that begins with `start` to the next that is not."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if re.match(rf"\s{{4,}}{re.escape(start)}", line))
    last = next((n for n in range(first, len(lines)) if not lines[n].strip()), len(lines))
    return "\n".join(line.strip() for line in lines[first:last])


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shown_files_are_read(tmp_path):
    (face,) = read_list(write(tmp_path / "faces.txt", indented(section(SETS, "`lfw-net`"), "lfw_5590\\Some")))
    assert face.box == (84, 161, 92, 169)
    assert face.points[2].tolist() == [125.2, 142.7]
    clothes = read_landmarks(write(tmp_path / "fld.txt", indented(section(SETS, "`fld`"), "2")))
    assert [line.clothes for line in clothes] == ["upper", "lower"]
    assert (clothes[1].visibility == 2).any()
    parts = read_split(write(tmp_path / "split.csv", indented(section(SETS, "`cacd`"), "identity,part")))
    assert parts == {"1": "train", "2": "validation", "3": "test"}
    angles = re.search(r"```csv\n(.*?)```", section(SETS, "`mcgill`"), flags=re.DOTALL)[1]
    assert [frame.yaw for frame in read_frames(write(tmp_path / "yaw.csv", angles))] == [-15.0, -10.5]


def test_the_shown_table_is_read(tmp_path):
    from PIL import Image

    text = section(SETS, "`table`")
    rows = re.search(r"```csv\n(.*?)```", text, flags=re.DOTALL)[1]
    options = tomllib.loads(re.search(r"```toml\n(.*?)```", text, flags=re.DOTALL)[1])["data"]["options"]
    (tmp_path / "photos").mkdir()
    for row in rows.splitlines()[1:]:
        Image.new("RGB", (20, 30)).save(tmp_path / row.split(",")[0])
    path = write(tmp_path / "labels.csv", rows)
    pool = load_table(path, **options, image_size=16, cache_dir=tmp_path / "cache")
    assert pool.parts == ("train", "train", "validation", "test")
    assert pool.data.targets.isnan().flatten().tolist() == [False, True, False, False]


def test_the_shown_archive_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", section(SETS, "`head-pose`"), flags=re.DOTALL)[1], {})
    assert len(load_head_pose(tmp_path, parts=["biwi_train.npz"]).data) == 100


def test_the_artefacts_with_their_data_methods_and_numbers_of_networks(tmp_path):
    rows = {spans(row[0])[0]: row[1:] for row in tables(REPRODUCE)[0][1:]}
    assert list(rows) == list(ARTEFACTS)
    weights = tmp_path / "vgg16.pth"
    weights.touch()
    for name, (_, datasets, methods, count) in rows.items():
        artefact = ARTEFACTS[name]
        assert spans(datasets) == list(artefact.datasets)
        if artefact.datasets:
            assert spans(methods) == list(artefact.methods)
        networks = int(count.split()[0].strip(","))
        if name == "figure5":
            grid = {"noises": ("l-ugo", "g-ugo", "ngo"), "rates": (0.0, 0.2, 0.4, 0.6), "seeds": (0,)}
            runs = figure5_options(tmp_path, SCALES["cpu"], **grid, methods=artefact.methods).runs()
            assert networks == len({run.digest for run in runs})
            assert f"Figure 5 has {len(runs)} points" in REPRODUCE
        for dataset in artefact.datasets if name != "figure5" else ():
            plan = make_plan(name, dataset, tmp_path, SCALES["cpu"], weights=weights)
            assert networks == len({run.digest for run in plan.runs})


@pytest.mark.parametrize(
    ("number", "model", "size", "sgd"),
    [
        (0, "images", "image_size", "sgd"),
        (1, "faces", "faces_size", "faces_sgd"),
        (2, "features", None, "features_sgd"),
    ],
)
def test_the_scales_are_those_of_the_code(number, model, size, sgd):
    heading, *rows = tables(section(REPRODUCE, "Scales"))[number]
    assert [cell.strip("`") for cell in heading[1:]] == list(SCALES)
    shown = {name: cells for name, *cells in rows}
    options = [f.name for f in fields(SGDOptions) if f.name != "device"]
    first = ["network", "frozen up to", "width of fc6 and fc7", "image size", "frozen trunk kept as"]
    assert list(shown) == first + [name.replace("_", " ") for name in options]
    for place, scale in enumerate(SCALES.values()):
        network, training = getattr(scale, model), getattr(scale, sgd)
        values = {
            "network": network.name,
            "frozen up to": network.frozen or "none",
            "width of fc6 and fc7": network.fc_width if network.name == "vgg16" else "none",
            "image size": "none, features" if size is None else getattr(scale, size),
            "frozen trunk kept as": network.cache_dtype if network.frozen else "none",
            **{name.replace("_", " "): training.effective[name] for name in options},
        }
        assert {name: cells[place] for name, cells in shown.items()} == {n: str(v) for n, v in values.items()}


def test_the_size_of_a_cache_is_what_the_formula_says():
    rows = tables(section(REPRODUCE, "The frozen trunk's cache"))[0][1:]
    assert len(rows) == 2
    for _, images, size, kept, disk in rows:
        train, validation, test = (int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", images))
        values, size = 512 * (int(size) // 16) ** 2, int(size)
        needed = (2 * train + validation + test) * values * torch.zeros(0, dtype=getattr(torch, kept)).itemsize / 1e9
        assert float(disk.removesuffix(" GB")) == pytest.approx(needed, rel=0.02)
    trunk = split_at(VGG16(n_outputs=1, image_size=64, fc_width=1), "features.23").trunk
    with torch.no_grad():
        assert trunk(torch.zeros(1, 3, 64, 64)).numel() == 512 * (64 // 16) ** 2


def commands(group: click.Group) -> Mapping[str, set[str]]:
    return {name: {o for p in c.params for o in p.opts if o.startswith("--")} for name, c in group.commands.items()}


def test_every_command_that_is_shown_exists_with_its_options():
    known = commands(main)
    shown = [line.strip() for text in PAGES.values() for line in text.splitlines() if re.match(r"    deepgum ", line)]
    shown += [line for text in PAGES.values() for line in code(text) if line.startswith("deepgum ")]
    assert len(shown) > 10
    for line in shown:
        name = line.split()[1]
        assert name in known, line
        assert set(re.findall(r"--[a-z-]+", line)) <= known[name] | {"--help"}, line
    loose = {
        option for text in PAGES.values() for span in code(text) for option in re.findall(r"(?<!\S)--[a-z-]+", span)
    }
    assert loose <= set().union(*known.values(), {"--help"})


@pytest.mark.parametrize("path", sorted([*DOCS.parent.glob("*.md"), *DOCS.rglob("*.md")]), ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if file.startswith("http"):
            continue
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_source_files_that_are_named_exist():
    root = DOCS.parent
    for text in PAGES.values():
        for name in code(text):
            if re.fullmatch(r"[\w/]+\.py", name):
                assert (root / name).is_file() or (root / "src" / "deepgum" / name).is_file(), name
