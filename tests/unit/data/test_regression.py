"""The inputs that a data set accepts or refuses; rows stay together."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import DeepGUMWarning, InvalidDataError

INF, NAN = float("inf"), float("nan")


def make(n: int = 6, **changes: Any) -> RegressionData:
    arguments: dict[str, Any] = {
        "inputs": np.arange(n * 4, dtype=np.uint8).reshape(n, 1, 2, 2),
        "targets": torch.arange(2.0 * n).view(n, 2),
        "ids": [f"s{i}" for i in range(n)],
        "target_names": ["x", "y"],
        "normaliser": torch.arange(1.0, n + 1),
    }
    return RegressionData.from_arrays(**(arguments | changes))


@pytest.mark.parametrize("indices", [[4, 0, 2], np.array([4, 0, 2]), torch.tensor([4, 0, 2])])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_subset_keeps_the_parts_of_a_row_together(indices: Any, as_tensor: bool) -> None:
    data = make()
    if as_tensor:
        data = make(inputs=torch.from_numpy(np.asarray(data.inputs)))
    part = data.subset(indices)
    assert part.ids == ("s4", "s0", "s2")
    assert np.asarray(part.inputs)[:, 0, 0, 0].tolist() == [16, 0, 8]
    assert part.targets[:, 0].tolist() == [8, 0, 4]
    assert part.normaliser.tolist() == [5, 1, 3]
    assert part.target_names == data.target_names


def test_a_subset_is_a_copy() -> None:
    data = make()
    data.subset([0]).inputs[0] = 99
    assert np.asarray(data.inputs)[0].max() < 99


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"targets": [[1.7e9 + i, float(i)] for i in range(6)]},
            r"`targets` .* spread of 2.5 around 1.7e\+09: x\. Sub",
        ),
        ({"targets": torch.arange(12).view(6, 2) + 2**31}, r"spread of 5 around 2.15e\+09: x, y\."),
        ({"targets": [[1.7e9 + i, NAN] for i in range(5)] + [[0.0, NAN]]}, r"spread of .*: x\."),
        (
            {"inputs": 1e8 + np.arange(12.0).reshape(6, 2)},
            "`inputs` .* around 1e.08: column 0, column 1.*its median\\)\\.",
        ),
        ({"inputs": (1e8 + np.arange(12.0).reshape(6, 2)).tolist()}, "`inputs`"),
    ],
)
def test_what_float32_would_lose_is_said(changes: dict[str, Any], found: str) -> None:
    with pytest.warns(DeepGUMWarning, match=found):
        make(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"targets": [[2020.0 + i, 1.7e9] for i in range(6)]},  # years; and what is constant has nothing to lose
        {"targets": [[0.5 + 0.01 * i, NAN] for i in range(6)]},
        {"targets": np.float32(1.7e9) + 256 * np.arange(12, dtype=np.float32).reshape(6, 2)},
        {"targets": [[float(i), 1e9 if i == 3 else i] for i in range(6)]},  # a wrong one
        {"inputs": np.array([[0.0], [0.0], [0.0], [0.0], [0.0], [1e9]])},
    ],
)
def test_ordinary_columns_are_not_warned_of(changes: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(**changes)


@pytest.mark.parametrize("kind", ["list", "array", "pandas", "polars", "frame"])
def test_nothing_is_a_missing_label(kind: str) -> None:
    values = [1.0, None, 3.0]
    targets = {
        "list": lambda: values,
        "array": lambda: np.array(values, dtype=object),
        "pandas": lambda: pytest.importorskip("pandas").Series([1, None, 3], dtype="Int64"),
        "polars": lambda: pytest.importorskip("polars").Series([1, None, 3]),
        "frame": lambda: pytest.importorskip("polars").DataFrame({"y": values}),
    }[kind]()
    data = RegressionData.from_arrays([[0.0], [1.0], [2.0]], targets)
    assert torch.equal(data.targets.isnan(), torch.tensor([[False], [True], [False]]))
    assert data.targets.dtype == torch.float32


def test_what_is_no_number_is_refused() -> None:
    for name in ("inputs", "targets", "normaliser", "sample_weight"):
        with pytest.raises(InvalidDataError, match=f"`{name}` should be an array of numbers"):
            make(**{name: ["a"] * 6})


@pytest.mark.parametrize("indices", [[], [6], [-1], [[0]], [0.0], [True] * 6])
def test_positions_that_are_none_are_refused(indices: list[Any]) -> None:
    with pytest.raises(InvalidDataError, match="indices"):
        make().subset(indices)


def test_other_targets_leave_the_rest_and_the_original_alone() -> None:
    data = make()
    other = data.with_targets(-data.targets)
    assert other.inputs is data.inputs
    assert other.targets[1, 0] == -2
    assert data.targets[1, 0] == 2
    with pytest.raises(InvalidDataError, match=r"shape \(6, d\)"):
        data.with_targets(torch.zeros(5, 2))


def test_missing_labels_are_accepted() -> None:
    assert make(targets=torch.full((6, 2), NAN)).targets.isnan().all()


@pytest.mark.parametrize("value", [INF, -INF, 1e300])
def test_infinite_labels_are_named_by_sample_and_column(value: float) -> None:
    targets = torch.zeros(6, 2, dtype=torch.float64)
    targets[3, 1] = targets[5, 0] = value
    with pytest.raises(InvalidDataError, match=r"2 infinite labels: s3 \(y\), s5 \(x\)"):
        make(targets=targets)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": torch.zeros(5, 2), "ids": None, "normaliser": None}, r"shape \(6, d\)"),
        ({"targets": torch.zeros(6, 2, 1)}, r"\(n, d\)"),
        ({"targets": torch.zeros(6, 0), "target_names": None}, "targets"),
        ({"ids": ["a"]}, r"`ids` should have length 6\. Found 1"),
        ({"target_names": ["x"]}, "`target_names` should have length 2"),
        ({"normaliser": [1.0]}, "`normaliser` should have length 6"),
        ({"normaliser": [1, 1, 0, 1, NAN, 1]}, r"positive\. Found 2 samples with an invalid value: s2, s4"),
        ({"inputs": np.zeros((6, 1, 2, 2))}, "float64"),
        ({"inputs": np.zeros((6, 2, 2), np.uint8)}, r"\(6, 2, 2\)"),
        ({"inputs": np.zeros(6)}, r"\(6,\)"),
        (
            {"inputs": np.array([[0.0]] * 5 + [[NAN]])},
            r"`inputs` should be finite in float32\. Found 1 samples with an invalid value: s5",
        ),
        ({"mirror": Mirror.landmarks([], n_landmarks=2)}, "`mirror` should be for 2 targets"),
    ],
)
def test_parts_that_disagree_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        make(**changes)


def test_names_that_no_file_can_hold_are_refused() -> None:
    with pytest.raises(InvalidDataError, match=r"text in UTF-8. Found 1 other ids: 'face\\udcff.jpg'"):
        RegressionData.from_arrays([[0.0], [1.0]], [[1.0], [2.0]], ids=["für.jpg", "face\udcff.jpg"])


def test_no_samples_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="at least one sample"):
        RegressionData.from_arrays(np.zeros((0, 3)), np.zeros((0, 1)))


def test_lists_and_flat_targets_become_arrays_with_default_names() -> None:
    data = RegressionData.from_arrays([[1.0], [2.0]], [3.0, 4.0])
    assert data.targets.shape == (2, 1)
    assert data.targets.dtype == torch.float32
    assert (data.ids, data.target_names, data.normaliser.tolist()) == (("0", "1"), ("y0",), [1, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(6, 3, 2, 2), (6, 4, 5), (6, 4)])
def test_features_keep_their_format_and_their_mirror_images(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    inputs, mirrored = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    data = make(inputs=inputs, mirrored_inputs=mirrored, mirror=Mirror.landmarks([], 1))
    part = data.subset([4, 0, 2])
    assert torch.equal(torch.as_tensor(part.inputs), inputs[[4, 0, 2]])
    assert torch.equal(torch.as_tensor(part.mirrored_inputs), mirrored[[4, 0, 2]])
    assert torch.as_tensor(part.inputs).dtype == dtype
    assert data.with_targets(data.targets).mirrored_inputs is mirrored


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"mirrored_inputs": torch.zeros(6, 1, 2, 3, dtype=torch.uint8)},
            r"uint8 of shape \(6, 1, 2, 2\).*\(6, 1, 2, 3\)",
        ),
        ({"mirrored_inputs": torch.zeros(6, 1, 2, 2)}, r"`mirrored_inputs` should be uint8 .* Found float32"),
        (
            {"inputs": torch.zeros(6, 4), "mirror": Mirror.landmarks([], 1)},
            r"`mirrored_inputs` should be given\. Found .*\(6, 4\)",
        ),
        (
            {"inputs": torch.zeros(6, 2, 4), "mirror": Mirror.landmarks([], 1)},
            r"`mirrored_inputs` should be given\. Found",
        ),
    ],
)
def test_mirror_images_that_cannot_be_had_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        make(**changes)


@pytest.mark.parametrize("name", ["inputs", "mirrored_inputs"])
@pytest.mark.parametrize("shape", [(6, 2, 3, 3), (6, 4)])
def test_features_that_are_not_finite_are_named(name: str, shape: tuple[int, ...]) -> None:
    arrays = {"inputs": torch.zeros(shape), "mirrored_inputs": torch.zeros(shape)}
    arrays[name].view(6, -1)[4, 1] = INF
    with pytest.raises(InvalidDataError, match=f"`{name}` should be finite in float32. Found 1 samples .*: s4"):
        make(**arrays)


def test_scaled_targets_are_mirrored_as_those_of_the_original():
    targets = torch.tensor([[0.25, 0.5, 0.75, 0.5], [0.1, 0.2, float("nan"), 0.4]])
    mirror = Mirror.landmarks([(0, 1)], n_landmarks=2)
    data = RegressionData.from_arrays(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), targets, mirror=mirror)
    scaled = data.scaled(224)
    torch.testing.assert_close(
        scaled.mirror.targets(scaled.targets), 224 * mirror.targets(targets), equal_nan=True, rtol=1e-6, atol=1e-4
    )
    assert (scaled.normaliser == 224).all()


@pytest.mark.fault(19)
@pytest.mark.parametrize("name", ["targets", "sample_weight", "normaliser", "inputs"])
@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor])
def test_a_number_beyond_float32_is_refused_by_its_row(name: str, convert: Any) -> None:
    arrays = {"inputs": np.eye(6), "targets": np.ones((6, 1)), "sample_weight": np.ones(6), "normaliser": np.ones(6)}
    arrays[name][3] = 1e300
    with pytest.raises(InvalidDataError, match=rf"`{name}` should be finite in float32.* 3\b"):
        RegressionData.from_arrays(**{key: convert(values) for key, values in arrays.items()})
