"""Two versions of the library side by side: is every number that they compute the same, to the last bit?

    python benchmarks/same_numbers.py --before a75e381
    python benchmarks/same_numbers.py --before a75e381 --after HEAD --out runs/same

For a change that moves code and must not change a result. The script takes the sources of both versions, runs six small
jobs on each, every job in a process of its own on one thread, and compares all that a job produces: shapes, types, each
number bit by bit (NaN equals NaN), each text. It prints a table, then the values that differ, and exits with 1 if there
are any. The jobs are what a user does: a training, `deepgum score`, `audit_labels`, `deepgum audit`, `deepgum compare`
and `DeepGUMRegressor`. They make their data from seeds and need no download.

Some names may differ between the versions: `RENAMED` lists new names, `SENTENCES` new words of sentences, and
`NOT_COMPARED` the values that cannot be equal. The sources of a revision come from git; a source tree is taken as it
is, by default the one that holds this script.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
Found = dict[str, Values]

RENAMED: dict[str, dict[str, str]] = {
    # Public functions, classes and attributes: {"fit_deepgum": "fit"}.
    "python": {},
    # Parameters of functions and fields of options: {"epochs_max": "epochs"}.
    "parameters": {},
    # Commands and their options, as they are typed: {"score": "check", "--swap": "--swap-pairs"}.
    "command line": {},
    # Names of what is compared (files, columns, keys, attributes), whole words, or several with slashes between them:
    # {"error_kind": "reason", "rounds/flagged": "rounds/flags"}.
    "values": {"data/options/group": "data/options/keep_together"},
    # Words that are given or found as values, such as methods and presets: {"deepgum-alternate": "deepgum-rounds"}.
    "words": {},
}
"""New names in the version after: before -> after. A renamed name needs one line here."""

NOT_COMPARED = {
    "*/seconds": "wall time",
    "*/version": "says which version it is",
    "*/key": "a digest of the configuration, in which names stand for values",
    "*/results.jsonl/*/posteriors": "the name of a file, which ends with that digest",
    "*/method/options/*": "recorded settings: the version after has them in `method/schedule` and `method/mixture`",
    "*/method/schedule/*": "the same",
    "*/method/mixture/*": "the same",
    "*/groups/*/density/*": "new: the density as an object; its numbers are compared by their old names",
    "*/reasons/*": "new: the number of flags of each reason; the reason of each label is compared",
}
"""Names of values, as patterns, after renaming, that two versions cannot have in common, each with the reason."""

SENTENCES = (
    (
        r"It fits (.*), which has no label here, and is (.*) off\.",
        r"It is \2 from its prediction and fits \1, which has no label.",
    ),
    (r"from (where it|what) is predicted|from its prediction", "from the prediction"),
    (r"neither is near what is predicted", "neither label is near the prediction"),
    (r"wrong at once, as if of another sample", "wrong, as after a mix-up of samples"),
)
"""New words of the sentences `why`: pattern and replacement, for the sentences of both versions."""

DIGEST = re.compile(r"_[0-9a-f]{16}(?=\.)")
"""In names of files; taken out of them, for the same reason."""

HOMES = (
    "deepgum", "deepgum.training", "deepgum.data", "deepgum.models", "deepgum.losses", "deepgum.evaluation",
    "deepgum.mixture", "deepgum.audit", "deepgum.estimator", "deepgum.residuals",
)  # fmt: skip
"""Where public names are looked for, in this order."""

WHEN = ("before", "after")


# --- Names that both versions understand ---------------------------------------------------------------------------


def spelled(word: str, kind: str, known: Collection[str]) -> str:
    """Return the word as this version has it: its new spelling where that is known."""
    new = RENAMED[kind].get(word, word)
    return new if new in known else word


def public(name: str) -> Any:
    """Return a public function or class, from wherever this version offers it."""
    for each in dict.fromkeys((RENAMED["python"].get(name, name), name)):
        for home in HOMES:
            try:
                value = getattr(importlib.import_module(home), each, None)
            except ModuleNotFoundError as error:
                if error.name != home:
                    raise
                continue
            if value is not None and not isinstance(value, ModuleType):
                return value
    raise SystemExit(f"There is no {name} in any of {', '.join(HOMES)}. If it was renamed, say so in RENAMED.")


def named(parameters: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    return {spelled(name, "parameters", known): value for name, value in parameters.items()}


def call(function: str | Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
    """Call a function, or a public one by its name, with parameters by their names in the version before."""
    function = public(function) if isinstance(function, str) else function
    return function(*arguments, **named(parameters, inspect.signature(function).parameters))


def attribute(value: Any, name: str) -> Any:
    return getattr(value, spelled(name, "python", dir(value)))


def preset(name: str, **changes: Any) -> Any:
    """Return the options of a training by the name of a preset."""
    presets = public("PRESETS")
    options = presets[spelled(name, "words", presets)]
    known = [each.name for each in fields(options)]
    # The version after has the options of rounds in an object of their own.
    rounds = {option: changes.pop(option) for option in [*changes] if option not in known}
    if rounds:
        changes["schedule"] = replace(options.schedule, **rounds)
    return replace(options, **named(changes, known))


def deepgum(command: str, *arguments: object) -> None:
    """Run a command of `deepgum` as a user does."""
    command = spelled(command, "command line", help_words())
    words, typed = help_words(command), [command]
    for argument in map(str, arguments):
        if argument.startswith("--"):
            typed.append(spelled(argument, "command line", words))
        else:
            typed.append(",".join(spelled(word, "words", words) for word in argument.split(",")))
    run_python("-m", "deepgum", *typed)


@cache
def help_words(*command: str) -> frozenset[str]:
    """Return what the help speaks of, by which this version's spelling is known; nothing where nothing is renamed."""
    if not RENAMED["command line"] and not RENAMED["words"]:
        return frozenset()
    return frozenset(re.findall(r"[\w-]+", run_python("-m", "deepgum", *command, "--help")))


def run_python(*arguments: str) -> str:
    """Run a Python of the same kind; return what it prints."""
    process = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)}\n{process.stdout}")
    return process.stdout


# --- The jobs ------------------------------------------------------------------------------------------------------


def fit() -> dict[str, Any]:
    """Networks on digits, a third of whose corners are moved: the defaults, and Algorithm 1 by two presets."""
    digits, test = call("load_digits_landmarks", n_train=360, n_test=60, seed=1, image_size=24)
    rng = np.random.default_rng(0)
    labels = attribute(digits, "targets").numpy().copy()
    spoil_landmarks(labels, rng, share=0.3, low=0, high=1)
    digits = attribute(digits, "with_targets")(to_tensor(labels))
    train, validation = (attribute(digits, "subset")(rows) for rows in (range(300), range(300, 360)))
    runs = {
        "default": (
            call("DeepGUMOptions", groups="landmark"),
            call("SGDOptions", schedule="one-cycle", learning_rate=3e-3, epochs_max=8),
        ),
        "alternate": (preset("alternate", groups="landmark", rounds_max=2), call("SGDOptions", epochs_max=3)),
        "paper": (preset("paper", groups="landmark", rounds_max=2), call("SGDOptions", epochs_max=3)),
    }
    found: dict[str, Any] = {
        name: {part: attribute(data, part) for part in ("inputs", "targets", "ids")}
        for name, data in (("digits", digits), ("test", test))
    }
    for name, (options, sgd) in runs.items():
        model = call("build_model", "facenet", train, seed=0)
        result = call("fit_deepgum", model, train, validation, options=options, sgd=sgd, seed=3)
        predictions = call("predict", attribute(result, "model"), test)
        found[name] = {"result": result, "predictions": predictions}
    return found


def score() -> dict[str, Any]:
    """`deepgum score` on a table of landmarks and on one of ages and angles, to Parquet and CSV; then as a function."""
    landmarks, points = landmark_table(), ("left_eye", "right_eye", "nose")
    poses = pose_table()
    write_csv(Path("landmarks.csv"), landmarks)
    write_csv(Path("poses.csv"), poses)
    deepgum(
        "score", "landmarks.csv", "--swap", "0:1", "--unit", "px", "--threads", 1, "--out", "landmark-scores.parquet"
    )
    deepgum("score", "poses.csv", "--id", "name", "--period", "yaw=360", "--threads", 1, "--out", "pose-scores.csv")
    found = dict(files(Path(), "*-scores.*"))
    for name, table, targets, more in (
        ("landmarks", landmarks, [f"{point}_{axis}" for point in points for axis in "xy"], {"swap_pairs": [(0, 1)]}),
        ("poses", poses, ["age", "yaw"], {"periods": {"yaw": 360}}),
    ):
        given, predicted = (
            np.stack([table[prefix + target].astype(np.float64) for target in targets], axis=1)
            for prefix in ("", "pred_")
        )
        found[name] = scored(call("score_labels", predicted, given, target_names=targets, **more))
    return found


def audit_labels() -> dict[str, Any]:
    """`audit_labels` on a table: one target by ridge regression, two by the default regressor."""
    from sklearn.linear_model import Ridge

    features, labels = feature_table(rows=400, seed=4)
    labels[::31, 0] = np.nan
    first = call("audit_labels", features, labels[:, 0], Ridge(), unit="kg")
    both = call("audit_labels", features, labels, n_folds=3, most_rounds=2, random_state=1)
    return {"ridge": scored(first), "default": scored(both)}


def audit() -> dict[str, Any]:
    """`deepgum audit` on a folder of images, a fifth of whose landmarks it moves itself."""
    from PIL import Image

    size = 40
    digits, _ = call("load_digits_landmarks", n_train=160, n_test=1, seed=2, image_size=size)
    labels = size * attribute(digits, "targets").numpy().astype(np.float64)
    labels[::17, 2:4] = np.nan
    columns = [f"{corner}_{axis}" for corner in ("ul", "ur", "lr", "ll") for axis in "xy"]
    table: dict[str, Values] = {"file": np.array([f"digits/{row:03d}.png" for row in range(len(labels))])}
    Path("digits").mkdir()
    for file, pixels in zip(table["file"], np.asarray(attribute(digits, "inputs")), strict=True):
        Image.fromarray(pixels[0]).save(str(file))
    write_csv(Path("digits.csv"), table | dict(zip(columns, labels.T, strict=True)))
    deepgum(
        "audit", "digits.csv", "--image", "file", "--targets", ",".join(columns), "--landmarks", "--swap", "0:1,3:2",
        "--image-size", 24, "--folds", 3, "--rounds", 2, "--epochs", 4, "--noise", "l-ugo", "--rate", 0.2,
        "--threads", 1, "--out", "run",
    )  # fmt: skip
    return files(Path("run"))


def compare() -> dict[str, Any]:
    """`deepgum compare` of four methods on digits."""
    deepgum(
        "compare", "--dataset", "digits", "--methods", "l2,cauchy,deepgum,deepgum-alternate", "--train-size", 240,
        "--image-size", 24, "--noise", "l-ugo", "--rate", 0.4, "--epochs-max", 5, "--threads", 1, "--out", "run",
    )  # fmt: skip
    return files(Path("run"))


def estimator() -> dict[str, Any]:
    """`DeepGUMRegressor` on a table with two targets, some labels missing, and with weights on one target."""
    features, labels = feature_table(rows=500, seed=5)
    new_features, new_labels = feature_table(rows=100, seed=6)
    labels[::23, 1] = np.nan
    weights = np.random.default_rng(7).uniform(0, 2, size=len(labels))
    found = {}
    for name, columns, groups, weighting in (("two", [0, 1], "coordinate", None), ("weighted", [0], "sample", weights)):
        model = call("DeepGUMRegressor", groups=groups, max_epochs=12, random_state=0)
        model.fit(features, labels[:, columns], sample_weight=weighting)
        found[name] = {
            "predictions": model.predict(new_features),
            "inlier_probability": attribute(model, "inlier_probability")(new_features, new_labels[:, columns]),
            "score": model.score(new_features, new_labels[:, columns]),
        }
        for each in ("inlier_probability_", "module_", "mixture_", "history_", "n_iter_"):
            found[name][each] = attribute(model, each)
    return found


JOBS: dict[str, Callable[[], dict[str, Any]]] = {
    "fit": fit,
    "score": score,
    "audit_labels": audit_labels,
    "audit": audit,
    "compare": compare,
    "estimator": estimator,
}
"""Each is run in an empty folder."""


# --- The data of the jobs ------------------------------------------------------------------------------------------


def to_tensor(values: Values) -> Any:
    import torch

    return torch.from_numpy(values)


def spoil_landmarks(labels: Values, rng: np.random.Generator, share: float, low: float, high: float) -> None:
    """Move a share of the landmarks in (n, 2 l) labels anywhere, and delete a few of them."""
    n, landmarks = len(labels), labels.shape[1] // 2
    points = labels.reshape(n, landmarks, 2)
    moved, missing = rng.random((n, landmarks)) < share, rng.random((n, landmarks)) < 0.02
    points[moved] = rng.uniform(low, high, size=(moved.sum(), 2))
    points[missing] = np.nan


def landmark_table() -> dict[str, Values]:
    """Return labels and predictions of three landmarks in pixels; some moved, some exchanged, some missing."""
    rng, n = np.random.default_rng(1), 500
    predicted = np.array([60, 80, 120, 80, 90, 110]) + rng.normal(0, 15, size=(n, 6))
    given = predicted + rng.normal(0, 1.5, size=(n, 6))
    spoil_landmarks(given, rng, share=0.08, low=0, high=180)
    exchanged = rng.choice(n, size=25, replace=False)
    given[exchanged] = given[exchanged][:, [2, 3, 0, 1, 4, 5]]
    names = [f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose") for axis in "xy"]
    table = {name: column.round(2) for name, column in zip(names, given.T, strict=True)}
    return table | {f"pred_{name}": column.round(3) for name, column in zip(names, predicted.T, strict=True)}


def pose_table() -> dict[str, Values]:
    """Return labels and predictions of an age and an angle, with ids; some drawn anew, in months, or mirrored."""
    rng, n = np.random.default_rng(2), 600
    age, yaw = rng.uniform(18, 80, size=n), rng.uniform(-180, 180, size=n)
    table = {"name": np.array([f"person {row:04d}" for row in rng.permutation(n)]), "age": age.round(), "yaw": yaw}
    table["pred_age"], table["pred_yaw"] = age + rng.normal(0, 3, size=n), yaw + rng.normal(0, 4, size=n)
    table["yaw"] = (yaw + rng.normal(0, 4, size=n) + 180) % 360 - 180
    anew, months, mirrored = rng.random((3, n)) < [[0.05], [0.03], [0.04]]
    table["age"][anew] = rng.integers(18, 80, size=anew.sum())
    table["age"][months] *= 12
    table["yaw"][mirrored] *= -1
    for target in ("age", "yaw"):
        table[target][rng.random(n) < 0.03] = np.nan
    return table


def feature_table(rows: int, seed: int) -> tuple[Values, Values]:
    """Return features (n, 4) and two targets (n, 2), a tenth of each drawn anew."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 4))
    clean = np.stack([features @ [3, -2, 1, 0] + 10, 5 * np.sin(features[:, 0]) + features[:, 2] ** 2], axis=1)
    labels = clean + 0.3 * rng.normal(size=(rows, 2))
    wrong = rng.random((rows, 2)) < 0.1
    labels[wrong] = rng.uniform(-20, 20, size=wrong.sum())
    return features, labels


def write_csv(path: Path, table: Mapping[str, Values]) -> None:
    """Write a table; NaN as an empty cell."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        for row in zip(*(column.tolist() for column in table.values()), strict=True):
            writer.writerow("" if cell != cell else cell for cell in row)


# --- What a job produced, as names and arrays ----------------------------------------------------------------------


def scored(result: Any) -> dict[str, Any]:
    """Return all that is said of labels, with what is computed of it when it is asked for."""
    labels = attribute(result, "labels")
    of_labels = ("residuals", "residual_norms", "flags", "expected_false_flags")
    return {"scored": result, "labels": {name: attribute(labels, name) for name in of_labels}}


def files(folder: Path, pattern: str = "*") -> dict[str, Any]:
    """Return what tables, records and settings in a folder hold, by the names of the files; no pictures, no pages."""
    readers = {
        ".parquet": read_parquet,
        ".csv": read_csv,
        ".json": lambda path: json.loads(path.read_text()),
        ".jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
        ".toml": lambda path: tomllib.loads(path.read_text()),
    }
    found = {}
    for path in sorted(folder.rglob(pattern)):
        if path.suffix in readers and not path.name.startswith("."):
            found[DIGEST.sub("", path.relative_to(folder).as_posix())] = readers[path.suffix](path)
    if not found:
        raise SystemExit(f"No file {pattern} was written to {folder}.")
    return found


def read_csv(path: Path) -> dict[str, Values]:
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    return dict(zip(head, np.array(rows, dtype=str).T, strict=True))


def read_parquet(path: Path) -> dict[str, Any]:
    """Return the columns of a file and what it says of itself."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    found: dict[str, Any] = {"rows": len(table)}
    for name, chunks in zip(table.column_names, table.columns, strict=True):
        column = chunks.combine_chunks()
        if column.null_count:
            found[f"{name}/missing"] = np.asarray(column.is_null())
        if pa.types.is_list(column.type):
            found[f"{name}/lengths"] = numbers(column.value_lengths())
            column = column.flatten()
            if column.null_count:
                found[f"{name}/missing in lists"] = np.asarray(column.is_null())
        found[name] = numbers(column)
    for key, value in (table.schema.metadata or {}).items():
        if key != b"ARROW:schema":
            text = value.decode()
            found[f"metadata/{key.decode()}"] = json.loads(text) if text.startswith("{") else text
    return found


def numbers(column: Any) -> Values:
    """Return a column of a table as an array, with a zero of its type for what is missing."""
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.zeros(len(column), dtype=bool)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.fill_null("").to_pylist(), dtype=str)
    return np.asarray(column.fill_null(False if pa.types.is_boolean(column.type) else 0))


def flatten(value: Any, name: str) -> Iterator[tuple[str, Values]]:
    """Give each array that a value holds, however deep, by a name with slashes."""
    if isinstance(value, Enum):
        value = value.value
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic | bool | int | float | str):
        array = np.array(value, order="C")
        if array.dtype.kind not in "biufU":
            raise SystemExit(f"{name} is an array of {array.dtype}, which this script cannot compare.")
        yield name, array
    elif value is None:
        yield f"{name}/is none", np.array(True)
    elif isinstance(value, Path):
        yield name, np.array(value.as_posix())
    elif hasattr(value, "state_dict"):  # networks, mixtures, histories
        yield from flatten(value.state_dict(), name)
    elif is_dataclass(value):
        yield from flatten({each.name: getattr(value, each.name) for each in fields(value)}, name)
    elif hasattr(value, "_asdict"):  # named tuples
        yield from flatten(value._asdict(), name)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            words = ",".join(map(str, key)) if isinstance(key, tuple) else str(key)
            yield from flatten(each, f"{name}/{words}" if name else words)
    elif isinstance(value, list | tuple):
        kinds = {type(each) for each in value}
        if kinds in ({bool}, {int}, {float}, {str}):
            yield name, np.array(value)
        else:
            yield f"{name}/length", np.array(len(value))
            for place, each in enumerate(value):
                yield from flatten(each, f"{name}/{place}")
    else:
        raise SystemExit(f"{name} is a {type(value).__name__}, which this script cannot compare.")


def do(job: str, tree: Path, into: Path) -> None:
    """Run one job in this process, which was started for it, and write what it produced."""
    source = Path(str(importlib.import_module("deepgum").__file__)).resolve()
    if not source.is_relative_to(tree):
        raise SystemExit(f"This should be the version in {tree}. It is {source}.")
    found = dict(flatten(JOBS[job](), ""))
    np.savez(into, **{f"/{name}": values for name, values in found.items()})


# --- Running the jobs, and comparing -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """A source tree, and what to call it."""

    name: str
    tree: Path

    def run(self, job: str, folder: Path) -> Found | str:
        """Run a job of this version; return what it produced, or why there is nothing.

        Both versions work in a folder of the same name, one after the other, so that paths are no difference.
        """
        work, into = folder / "work", folder / "found.npz"
        for each in (work, folder / "cache"):
            shutil.rmtree(each, ignore_errors=True)
        into.unlink(missing_ok=True)
        work.mkdir()
        alone = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        source = {"PYTHONPATH": str(self.tree / "src"), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        # Images that were kept decoded would be those of the other version; the list of fonts is of neither.
        caches = {"XDG_CACHE_HOME": str(folder / "cache"), "MPLCONFIGDIR": str(folder / "matplotlib")}
        process = subprocess.run(
            [sys.executable, __file__, "--job", job, "--tree", str(self.tree), "--into", str(into)],
            cwd=work,
            env=os.environ | alone | source | caches,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if process.returncode:
            return "\n".join(process.stdout.splitlines()[-15:])
        with np.load(into, allow_pickle=False) as archive:
            return {name.removeprefix("/"): archive[name] for name in archive.files}


@dataclass
class Outcome:
    """The result of the comparison of a job."""

    numbers: int = 0
    texts: int = 0
    different: int = 0
    names: dict[str, str] = field(default_factory=dict)  # of what differs, with how
    failure: str = ""  # which version failed, and why

    def add(self, name: str, values: int, how: str) -> None:
        self.different += values
        self.names[name] = how


def renamed(found: Found) -> Found:
    """Return what the version before produced, under the names of the version after."""
    result = {}
    for name, values in found.items():
        for old, new in RENAMED["values"].items():
            name = re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, name)
        for old, new in RENAMED["words"].items():
            name = re.sub(rf"(?<=/){re.escape(old)}(?=_)", new, name)  # posteriors/l2_l-ugo_0.4_seed0.parquet
            if values.dtype.kind == "U":
                values = np.where(values == old, new, values)
        result[name] = values
    return result


def compared(found: Found) -> Found:
    return {
        name: reworded(values) if re.search(r"\bwhy\b", name) else values
        for name, values in found.items()
        if not any(fnmatch(f"/{name}", pattern) for pattern in NOT_COMPARED)
    }


def reworded(texts: Values) -> Values:
    """Return sentences with the words of `SENTENCES`; their numbers stay as they are."""
    if texts.dtype.kind != "U":
        return texts

    def reword(text: str) -> str:
        for pattern, new in SENTENCES:
            text = re.sub(pattern, new, text)
        return text

    return np.array([reword(text) for text in texts.ravel().tolist()], dtype=str).reshape(texts.shape)


def unequal(before: Values, after: Values) -> NDArray[np.bool_]:
    """Return where two arrays of one shape and type differ in a bit; every NaN is equal to every other."""
    if before.dtype.kind != "f":
        return np.asarray(before != after)
    bits = np.dtype(f"u{before.dtype.itemsize}")
    return np.asarray((before.view(bits) != after.view(bits)) & ~(np.isnan(before) & np.isnan(after)))


def described(values: Values) -> str:
    return f"{'text' if values.dtype.kind == 'U' else values.dtype} of shape {values.shape}"


def how_different(before: Values, after: Values, places: NDArray[np.bool_]) -> str:
    """Say how many values differ, and what the first of them is in both versions."""
    first = tuple(int(place) for place in np.argwhere(places)[0])
    where = f"at {first}, " if first else ""
    one, other = before[first].item(), after[first].item()
    words = f"{int(places.sum())} of {places.size} values; {where}{one!r} before, {other!r} after"
    if before.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            apart = np.abs(before[places].astype(np.float64) - after[places].astype(np.float64))
        words += f"; apart by {np.nanmax(apart, initial=0):.3g} at most"
    return words


def compare_found(before: Found, after: Found) -> Outcome:
    """Compare what two versions produced in a job."""
    outcome = Outcome()
    before, after = compared(renamed(before)), compared(after)
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            there = "before" if other is None else "after"
            values = one if other is None else other
            outcome.add(name, max(1, values.size), f"only {there}: {described(values)}")
            continue
        if one.dtype.kind == "U":
            outcome.texts += one.size
        else:
            outcome.numbers += one.size
        same_type = one.dtype == other.dtype or one.dtype.kind == other.dtype.kind == "U"
        if not same_type or one.shape != other.shape:
            outcome.add(name, max(1, one.size, other.size), f"{described(one)} before, {described(other)} after")
        elif (places := unequal(one, other)).any():
            outcome.add(name, int(places.sum()), how_different(one, other, places))
    return outcome


def table(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Return one line a job, and one of all."""
    lines = [f"{'job':14}{'numbers':>12}{'texts':>10}{'different':>12}   names that differ"]
    for job, outcome in outcomes.items():
        names = list(outcome.names)
        words = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        words = "FAILED" if outcome.failure else words
        lines.append(f"{job:14}{outcome.numbers:12,}{outcome.texts:10,}{outcome.different:12,}   {words}".rstrip())
    of_all = [sum(getattr(each, name) for each in outcomes.values()) for name in ("numbers", "texts", "different")]
    lines.append(f"{'all':14}{of_all[0]:12,}{of_all[1]:10,}{of_all[2]:12,}")
    return lines


def details(job: str, outcome: Outcome, most: int = 20) -> list[str]:
    """Return a line a name that differs, and why a job failed."""
    lines = [f"{job}: {name}: {how}" for name, how in outcome.names.items()]
    if len(lines) > most:
        lines[most:] = [f"{job}: and {len(lines) - most} names more"]
    return [*lines, f"{job}: {outcome.failure}"] if outcome.failure else lines


def verdict(outcomes: Mapping[str, Outcome], before: Version, after: Version) -> str:
    """Return the result in a sentence or two."""
    versions = f"{before.name} and {after.name}"
    values = sum(each.numbers + each.texts for each in outcomes.values())
    different = {job: each for job, each in outcomes.items() if each.names}
    failed = [job for job, each in outcomes.items() if each.failure]
    sentences = []
    if different:
        job, first = next(iter(different.items()))
        name, how = next(iter(first.names.items()))
        count = sum(each.different for each in different.values())
        sentences.append(f"{count:,} values are not the same in {versions}; the first is {name} of {job}: {how}.")
    elif values:
        sentences.append(f"All {values:,} values that were compared are the same in {versions}, to the last bit.")
    if failed:
        sentences.append(f"Nothing was compared of the jobs that failed: {', '.join(failed)}.")
    return " ".join(sentences)


def version(what: str, folder: Path) -> Version:
    """Return the version that a path holds, or that git calls so; the sources of the latter go to the folder."""
    if (Path(what) / "src" / "deepgum").is_dir():
        return Version(what, Path(what).resolve())
    repository = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> bytes:
        process = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True)
        if process.returncode:
            raise SystemExit(f"{what} is neither a source tree nor a revision: {process.stderr.decode().strip()}")
        return process.stdout

    revision = git("rev-parse", "--short", "--verify", f"{what}^{{commit}}").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", revision, "src"))) as archive:
        archive.extractall(folder, filter="data")
    return Version(revision, folder.resolve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="VERSION", help="a revision, or the path of a source tree")
    parser.add_argument("--after", metavar="VERSION", help="the same  [default: the tree that holds this script]")
    parser.add_argument("--jobs", default=",".join(JOBS), help="with commas between them  [default: all]")
    parser.add_argument("--out", type=Path, metavar="DIR", help="writes what is printed to DIR/same_numbers.txt")
    for name in ("--job", "--tree", "--into"):  # of a process that runs one job
        parser.add_argument(name, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        do(arguments.job, Path(arguments.tree), Path(arguments.into))
        return
    if not arguments.before:
        parser.error("--before is needed")
    jobs = arguments.jobs.split(",")
    if unknown := [job for job in jobs if job not in JOBS]:
        parser.error(f"--jobs should be of {', '.join(JOBS)}. Found {', '.join(unknown)}")

    outcomes = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        before = version(arguments.before, folder / "before")
        if arguments.after:
            after = version(arguments.after, folder / "after")
        else:
            after = Version("the working tree", Path(__file__).resolve().parents[1])
        print(f"before: {before.name}; after: {after.name}", flush=True)
        for number, job in enumerate(jobs, start=1):
            found = []
            for when, each in zip(WHEN, (before, after), strict=True):
                print(f"[{number} of {len(jobs)}] {job}, {when}: ", end="", flush=True)
                began = time.perf_counter()
                found.append(each.run(job, folder))
                print(f"{time.perf_counter() - began:.0f} s", flush=True)
            reasons = [f"failed {when}: {why}" for when, why in zip(WHEN, found, strict=True) if isinstance(why, str)]
            outcomes[job] = Outcome(failure="\n".join(reasons)) if reasons else compare_found(*found)

    lines = [*table(outcomes), ""]
    for job, outcome in outcomes.items():
        lines += details(job, outcome)
    lines.append(verdict(outcomes, before, after))
    print("", *lines, sep="\n")
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "same_numbers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(1 if any(outcome.names or outcome.failure for outcome in outcomes.values()) else 0)


if __name__ == "__main__":
    main()
