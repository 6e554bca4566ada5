"""Samples and their targets, in the form that training and evaluation use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.data.feature_encoding import FeatureEncoding
from deepgum.data.mirror import Mirror
from deepgum.data.pictures import Pictures
from deepgum.data.precision import warn_of_lost_spread
from deepgum.errors import InvalidDataError, listing
from deepgum.missing import with_nan
from deepgum.storage.id_column import are_whole

__all__ = ["RegressionData", "take_rows"]

_FEATURES = ("float32", "float16", "bfloat16")
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class RegressionData:
    """Samples with their inputs, their targets, and the fields that augmentation and scores need.

    Every array has one row per sample. Use `RegressionData.from_arrays` to make an object from arrays or lists: it has
    default values for ids, names and normaliser.

    Parameters
    ----------
    inputs : array or tensor, shape (n, c, h, w) uint8, (n, p) float, or (n, ...) float32, float16 or bfloat16
        Images, vectors, or features of any shape. A memory map stays on disk. Batches of the inputs are float32.
    targets : tensor, shape (n, d), float32
        NaN marks a missing label. Landmarks have the order x1 y1 x2 y2 ..., in fractions of the width of the image.
    ids : tuple of str, length n
        Names of the samples. A sample has the same name in every subset.
    target_names : tuple of str, length d
        Names of the targets.
    normaliser : tensor, shape (n,), positive
        The errors of a sample are divided by this number, for example the width of the face. It has the unit of the
        targets.
    mirror : Mirror, optional
        Change of the targets when an image is mirrored; None if images must not be mirrored.
    mirrored_inputs : array or tensor, shape and type of the inputs, optional
        Inputs of the mirrored samples. They are needed if the inputs cannot be mirrored, for example if the inputs are
        the outputs of a frozen trunk. By default, inputs of four dimensions are images and are mirrored by reversing
        the order of their columns.
    sample_weight : tensor, shape (n,), float32, at least 0, optional
        Weight of each sample in the losses and in the mixture; None means equal weights. A sample with weight 0 has no
        influence. In the losses, a weight acts like a factor of the learning rate. Weights with mean 1 therefore do not
        change the learning rate on average. In the mixture, only the ratios of the weights matter.
    pictures : Pictures, optional
        Image files of the samples, to show to people.
    encoding : FeatureEncoding, optional
        The columns of features, if some have categories or gaps (NaN); see `deepgum.data.feature_encoding`.
    skeleton : tuple of (int, int)
        Pairs of landmarks that a line connects in pictures.
    whole_ids : bool
        Whether the ids are whole numbers of the user, which Parquet files keep as such.

    Raises
    ------
    InvalidDataError
        If there are no samples, if shapes do not match, or if a target, a float input, a normaliser or a weight has an
        invalid value. For an invalid value, the message names the first samples with such a value.

    Examples
    --------
    >>> data = RegressionData.from_arrays([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [[1.0], [2.0], [float("nan")]])
    >>> len(data), data.ids, data.target_names
    (3, ('0', '1', '2'), ('y0',))
    >>> data.subset([2, 0]).ids
    ('2', '0')
    >>> RegressionData.from_arrays([[0.0], [1.0]], [[0.5], [float("inf")]], ids=["a", "b"])
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: `targets` should be finite in float32, or NaN if missing. Found 1 infinite
    labels: b (y0).
    """

    inputs: NDArray[Any] | Tensor
    targets: Tensor
    ids: tuple[str, ...]
    target_names: tuple[str, ...]
    normaliser: Tensor
    mirror: Mirror | None = None
    mirrored_inputs: NDArray[Any] | Tensor | None = None
    sample_weight: Tensor | None = None
    pictures: Pictures | None = None
    encoding: FeatureEncoding | None = None
    skeleton: tuple[tuple[int, int], ...] = ()
    whole_ids: bool = False

    def __post_init__(self) -> None:
        _check_shapes(self)
        _check_values(self)

    @classmethod
    def from_arrays(
        cls,
        inputs: Any,
        targets: Any,
        *,
        ids: Sequence[object] | None = None,
        target_names: Sequence[str] | None = None,
        normaliser: Any = None,
        mirror: Mirror | None = None,
        mirrored_inputs: Any = None,
        sample_weight: Any = None,
        encoding: FeatureEncoding | None = None,
    ) -> RegressionData:
        """Make a `RegressionData` from array-like objects.

        By default, the ids are "0", "1", ..., the names of the targets are "y0", "y1", ..., and every normaliser is 1.
        Lists are converted to arrays, and targets of shape (n,) to one column. Inputs that are arrays or tensors are
        used without a copy, but tensors on an accelerator are moved to the CPU. None in a list and the missing value of
        a data frame mark a missing label.

        Warns
        -----
        DeepGUMWarning
            If the values of a column differ so little that float32 cannot represent the differences; see
            `deepgum.data.precision`.
        """
        features, labels = _as_array("inputs", inputs), _as_array("targets", targets)
        mirrored = None if mirrored_inputs is None else _as_array("mirrored_inputs", mirrored_inputs)
        targets = _as_float32("targets", labels)
        if targets.ndim == 1:
            targets = targets[:, None]
        if targets.ndim != 2:
            raise InvalidDataError(f"`targets` should have shape (n, d). Found shape {tuple(targets.shape)}.")
        n, d = targets.shape
        data = cls(
            inputs=_as_inputs(inputs, features),
            targets=targets,
            ids=tuple(map(str, range(n) if ids is None else ids)),
            target_names=tuple(f"y{i}" for i in range(d)) if target_names is None else tuple(target_names),
            normaliser=torch.ones(n) if normaliser is None else _as_float32("normaliser", normaliser),
            mirror=mirror,
            mirrored_inputs=None if mirrored is None else _as_inputs(mirrored_inputs, mirrored),
            sample_weight=None if sample_weight is None else _as_float32("sample_weight", sample_weight),
            whole_ids=ids is not None and are_whole(ids),
            encoding=encoding,
        )
        # Checked only here: the arrays may be large and on disk, and a check of every subset would read them again.
        _check_finite(data, more_than_vectors=True)
        if data.sample_weight is not None and not data.sample_weight.any():
            raise InvalidDataError(
                f"`sample_weight` should be above 0 for some samples. Found zero for all {n} samples."
            )
        warn_of_lost_spread("inputs", features)
        warn_of_lost_spread("targets", labels.reshape(n, d), data.target_names)
        return data

    def __len__(self) -> int:
        return len(self.ids)

    def subset(self, indices: Sequence[int] | NDArray[np.int64] | Tensor) -> RegressionData:
        """Return a copy in memory of the samples at these positions, in the order of `indices`."""
        rows = torch.as_tensor(indices)
        if rows.ndim != 1 or len(rows) == 0 or rows.is_floating_point() or rows.dtype == torch.bool:
            raise InvalidDataError(
                "`indices` should be a list of at least one position, as integers. "
                f"Found {rows.dtype} of shape {tuple(rows.shape)}."
            )
        rows = rows.to(torch.int64)
        outside = rows[(rows < 0) | (rows >= len(self))]
        if len(outside):
            raise InvalidDataError(f"`indices` should be from 0 to {len(self) - 1}. Found {listing(outside.tolist())}.")
        return replace(
            self,
            inputs=take_rows(self.inputs, rows),
            targets=self.targets[rows],
            ids=tuple(self.ids[row] for row in rows.tolist()),
            normaliser=self.normaliser[rows],
            mirrored_inputs=None if self.mirrored_inputs is None else take_rows(self.mirrored_inputs, rows),
            sample_weight=None if self.sample_weight is None else self.sample_weight[rows],
            pictures=None if self.pictures is None else self.pictures.subset(rows.tolist()),
        )

    def scaled(self, factor: float) -> RegressionData:
        """Return the same samples with targets in another unit: targets and normalisers are multiplied by `factor`.

        Examples
        --------
        >>> data = RegressionData.from_arrays([[0.0], [1.0]], [[0.5], [0.25]], normaliser=[1.0, 0.5])
        >>> data.scaled(224).targets.flatten(), data.scaled(224).normaliser
        (tensor([112.,  56.]), tensor([224., 112.]))
        """
        mirror = self.mirror
        if mirror is not None:
            mirror = replace(mirror, offset=tuple(factor * offset for offset in mirror.offset))
        return replace(self, targets=factor * self.targets, normaliser=factor * self.normaliser, mirror=mirror)

    def with_targets(self, targets: Tensor) -> RegressionData:
        """Return the same samples with other targets (n, d)."""
        return replace(self, targets=targets)


def _as_array(name: str, values: Any) -> NDArray[Any] | Tensor:
    """Convert a list, a series or a data frame to a float64 array. Return an array or a tensor unchanged.

    In a masked array, the masked values become NaN.
    """
    values = with_nan(values)
    if isinstance(values, Tensor) or (isinstance(values, np.ndarray) and values.dtype != object):
        return values
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"`{name}` should be an array of numbers. {error}.") from error


def _as_inputs(given: Any, array: NDArray[Any] | Tensor) -> NDArray[Any] | Tensor:
    """Return the inputs on the CPU.

    If `given`, the value that the caller passed, is an array or a tensor, the inputs keep their type. Otherwise they
    become float32.
    """
    if isinstance(array, Tensor):
        return array.cpu()
    return array if array is given else array.astype(np.float32)


def _as_float32(name: str, values: Any) -> Tensor:
    array = _as_array(name, values)
    # Torch does not support negative strides, and warns of read-only arrays.
    array = np.require(array, requirements=["C", "W"]) if isinstance(array, np.ndarray) else array
    return torch.as_tensor(array).to("cpu", torch.float32)


def take_rows(inputs: NDArray[Any] | Tensor, rows: Tensor) -> NDArray[Any] | Tensor:
    """Return a copy of some rows of the inputs. The copy has the class and the memory layout of the inputs."""
    if not isinstance(inputs, Tensor):
        return np.asarray(inputs[rows.numpy()])
    if inputs.ndim == 4 and inputs.stride(1) == 1:
        # Channels last: indexed as (n, h, w, c), a row is copied as one block, which is six times as fast.
        return inputs.movedim(1, -1)[rows].movedim(-1, 1)
    return inputs[rows]


def _kind(inputs: NDArray[Any] | Tensor) -> str:
    return str(inputs.dtype).removeprefix("torch.")


def _check_shapes(data: RegressionData) -> None:
    shape, kind = tuple(data.inputs.shape), _kind(data.inputs)
    images, vectors = len(shape) == 4 and kind == "uint8", len(shape) == 2 and "float" in kind
    if not (images or vectors or (len(shape) > 2 and kind in _FEATURES)):
        raise InvalidDataError(
            "`inputs` should be uint8 images (n, c, h, w), float vectors (n, p), or features (n, ...) of "
            f"{' or '.join(_FEATURES)}. Found {kind} of shape {shape}."
        )
    if 0 in shape:
        raise InvalidDataError(f"`inputs` should hold at least one sample. Found shape {shape}.")
    n, found = shape[0], tuple(data.targets.shape)
    if len(found) != 2 or found[0] != n or found[1] == 0 or data.targets.dtype != torch.float32:
        raise InvalidDataError(
            f"`targets` should be float32 of shape ({n}, d). Found {data.targets.dtype} of shape {found}."
        )
    for name, values, expected in (
        ("ids", data.ids, n),
        ("target_names", data.target_names, found[1]),
        ("normaliser", data.normaliser, n),
        ("pictures", data.pictures, n),
    ):
        if values is not None and len(values) != expected:
            raise InvalidDataError(f"`{name}` should have length {expected}. Found {len(values)}.")
    weight = data.sample_weight
    if weight is not None and (tuple(weight.shape) != (n,) or weight.dtype != torch.float32):
        raise InvalidDataError(
            f"`sample_weight` should be float32 of shape ({n},), one weight per sample. "
            f"Found {weight.dtype} of shape {tuple(weight.shape)}."
        )
    if data.encoding is not None and shape[1:] != (len(data.encoding.names),):
        raise InvalidDataError(
            f"`inputs` should have shape (n, {len(data.encoding.names)}), one column per name in `encoding`. "
            f"Found {shape}."
        )
    if data.mirror is not None and len(data.mirror.permutation) != found[1]:
        raise InvalidDataError(f"`mirror` should be for {found[1]} targets. Found {len(data.mirror.permutation)}.")
    mirrored = data.mirrored_inputs
    if mirrored is not None and (tuple(mirrored.shape), _kind(mirrored)) != (shape, kind):
        raise InvalidDataError(
            f"`mirrored_inputs` should be {kind} of shape {shape}, like the inputs. "
            f"Found {_kind(mirrored)} of shape {tuple(mirrored.shape)}."
        )
    if data.mirror is not None and mirrored is None and len(shape) != 4:
        raise InvalidDataError(
            "With `mirror`, the inputs should be images (n, c, h, w), or `mirrored_inputs` should be given. "
            f"Found inputs of shape {shape} without `mirrored_inputs`."
        )


def _check_values(data: RegressionData) -> None:
    infinite = data.targets.isinf().nonzero().tolist()
    if infinite:
        places = listing([f"{data.ids[row]} ({data.target_names[column]})" for row, column in infinite])
        raise InvalidDataError(
            f"`targets` should be finite in float32, or NaN if missing. Found {len(infinite)} infinite labels: "
            f"{places}."
        )
    _check_finite(data, more_than_vectors=False)
    _check_ids(data.ids)
    normaliser, weight = data.normaliser, data.sample_weight
    _refuse(data, ~(normaliser.isfinite() & (normaliser > 0)), "`normaliser` should be finite in float32 and positive")
    if weight is not None:
        wrong = ~(weight.isfinite() & (weight >= 0))
        _refuse(data, wrong, "`sample_weight` should be finite in float32 and at least 0")


def _check_finite(data: RegressionData, *, more_than_vectors: bool) -> None:
    for name, inputs in (("inputs", data.inputs), ("mirrored_inputs", data.mirrored_inputs)):
        if inputs is not None and _kind(inputs) != "uint8" and (inputs.ndim > 2) == more_than_vectors:
            blocks = (torch.as_tensor(inputs[start : start + _BLOCK]) for start in range(0, len(inputs), _BLOCK))
            # Batches are float32, where large numbers of float64 are infinite.
            # A column may have gaps if its encoding says so.
            gaps = torch.tensor(data.encoding.gaps) if data.encoding is not None else torch.tensor(False)
            finite = torch.cat(
                [(block.float().isfinite() | (block.isnan() & gaps)).flatten(1).all(dim=1) for block in blocks]
            )
            _refuse(data, ~finite, f"`{name}` should be finite in float32")


def _check_ids(ids: Sequence[str]) -> None:
    try:
        "".join(map(str, ids)).encode()
    except UnicodeEncodeError:
        # Python reads the name of a file that is not UTF-8 with surrogates, which no result file can hold.
        wrong = [ascii(name) for name in ids if any("\ud800" <= letter <= "\udfff" for letter in name)]
        raise InvalidDataError(
            f"`ids` should be text in UTF-8. Found {len(wrong)} other ids: {listing(wrong)}. Rename these samples or "
            "their files."
        ) from None


def _refuse(data: RegressionData, wrong: Tensor, rule: str) -> None:
    rows = wrong.nonzero().flatten().tolist()
    if rows:
        names = listing([data.ids[row] for row in rows])
        raise InvalidDataError(f"{rule}. Found {len(rows)} samples with an invalid value: {names}.")
