"""Cache of the outputs of a frozen trunk: they are computed once and stored on disk.

The training of a head reads these outputs instead of the images. For each sample, the cache has the trunk's output for
the crop and, if the data can be mirrored, the trunk's output for the mirror image of the crop. The name of the cache is
a hash of everything that determines the stored outputs: the trunk's layers and weights, the crops, the number format. A
cache with another hash is never read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from deepgum.checks import check_choice, check_count
from deepgum.data.batches import ordered_batches
from deepgum.data.crop_cache import Progress, default_cache_dir
from deepgum.data.regression import RegressionData
from deepgum.data.row_file import RowFile
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.residuals import evaluating

__all__ = ["DTYPES", "cache_features"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Number formats of a cache, by name."""

# Part of the key. Increase it whenever the same request gives other rows, or rows in another order.
_VERSION = 1
# Two computations of the same features differ only by rounding; features of another trunk differ by much more.
_TOLERANCE = 0.02


def cache_features(
    trunk: nn.Module,
    data: RegressionData,
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    dtype: str = "float32",
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    precision: str = "float32",
    on_progress: Progress | None = None,
) -> RegressionData:
    """Return the data with a trunk's outputs as inputs, memory-mapped from disk.

    Outputs that are not in the cache are computed in evaluation mode. An interrupted computation continues after the
    last stored row. If two processes need the same features, one process computes the features and the other waits.

    Parameters
    ----------
    trunk : nn.Module
        A network that maps inputs (b, ...) to float features (b, ...): ``split_at(network, name).trunk``. The trunk is
        moved to `device`.
    data : RegressionData
        The n samples. Targets are not part of the key, so the same images with other labels use the same cache.
    cache_dir : path, optional
        By default `deepgum.data.crop_cache.default_cache_dir`.
    dtype : {"float32", "float16", "bfloat16"}
        Number format on disk. The half formats need half the space; batches are always float32.
    batch_size : int
        Number of samples per forward pass. This number changes the result only by rounding.
    device : torch.device or str
        Device that computes the features.
    precision : {"float32", "bf16"}
        Precision of the forward pass.
    on_progress : callable, optional
        Called as ``on_progress(done, total)``: the number of finished samples and n. Also called while another process
        computes the features.

    Returns
    -------
    RegressionData
        The data, with the features as `inputs`. If `data.mirror` is given, `mirrored_inputs` has the features of the
        mirror images. The two arrays are views of one memory map. Features (c, h, w) are stored channels last, which is
        the fast layout for convolutions.

    Raises
    ------
    DiskFullError
        If the disk cannot hold the features. The free space is checked before the first feature is computed. If the
        disk fills up later, the stored rows remain.
    InvalidDataError
        If the trunk does not return finite floats, one row per sample, or if the floats are too large for float16.
    InvalidParameterError
        If a parameter is out of range, or the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> from deepgum.models.trunk import split_at
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))
    >>> data = RegressionData.from_arrays(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), torch.zeros(5, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     features = cache_features(split_at(network, "0").trunk, data, folder)
    ...     features.inputs.shape, sorted(path.suffix for path in Path(folder).iterdir())
    (torch.Size([5, 4, 6, 6]), ['.bin', '.json', '.lock'])
    """
    kept_in = DTYPES[check_choice("dtype", dtype, DTYPES)]
    check_choice("precision", precision, ("float32", "bf16"))
    check_count("batch_size", batch_size)
    device = torch.device(device)
    work = _Computation(trunk.to(device), data, kept_in, device, precision)
    cache = Path(cache_dir) if cache_dir is not None else default_cache_dir()
    probe = work.block(0, 1)
    key = work.key()
    file = RowFile(cache / f"trunk-{key}.bin", key, (len(data), *probe.shape[1:]), kept_in)

    def report(rows: int) -> None:
        if on_progress is not None:
            on_progress(rows, len(data))

    def blocks(start: int) -> Iterator[Tensor]:
        for first in range(start, len(data), batch_size):
            last = min(first + batch_size, len(data))
            yield work.block(first, last)
            report(last)

    if not (file.is_complete() and _matches(file, probe)):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with file.making(waiting=lambda: report(file.done())):
                file.drop_damaged()
                if not _matches(file, probe):
                    file.discard()
                if file.done() < len(data):
                    file.check_space(f"features of {len(data) - file.done()} samples")
                    file.append(blocks(file.done()))
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            hint = f"({error}) Give another folder, or set DEEPGUM_CACHE."
            raise InvalidParameterError("cache_dir", "a folder that can be written to", str(cache), hint) from error
    kept = file.read()
    versions = [version.movedim(-1, 1) if version.ndim == 4 else version for version in kept.unbind(dim=1)]
    return replace(data, encoding=None, inputs=versions[0], mirrored_inputs=versions[1] if len(versions) == 2 else None)


@dataclass(frozen=True, eq=False)
class _Computation:
    """The computation of features: trunk, data, device and number format."""

    trunk: nn.Module
    data: RegressionData
    dtype: torch.dtype
    device: torch.device
    precision: str

    def block(self, first: int, last: int) -> Tensor:
        """Return the features (b, v, ...) of samples `first` to `last - 1`; v is 2 with mirror images, else 1."""
        part = self.data.subset(range(first, last))
        inputs = next(ordered_batches(part, len(part), self.device)).inputs
        versions = [self._features(part, inputs)]
        if part.mirror is not None:
            if part.mirrored_inputs is not None:
                flipped = replace(part, inputs=part.mirrored_inputs, mirrored_inputs=None, mirror=None)
                inputs = next(ordered_batches(flipped, len(part), self.device)).inputs
            else:
                inputs = part.mirror.images(inputs)
            versions.append(self._features(part, inputs))
        return torch.stack(versions, dim=1)

    def _features(self, part: RegressionData, inputs: Tensor) -> Tensor:
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with evaluating(self.trunk), autocast:
            outputs = self.trunk(inputs)
        if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
            found = outputs.dtype if isinstance(outputs, Tensor) else type(outputs).__name__
            raise InvalidDataError(f"The trunk should give a tensor of floats. Found {found}.")
        if outputs.ndim < 2 or len(outputs) != len(part):
            raise InvalidDataError(
                f"The trunk should give features of shape ({len(part)}, ...). Found {tuple(outputs.shape)}."
            )
        kept = outputs.to("cpu", self.dtype)
        finite = kept.isfinite().flatten(1).all(dim=1)
        if not finite.all():
            spoiled = listing([part.ids[row] for row in (~finite).nonzero().flatten().tolist()])
            if outputs.isfinite().all():
                raise InvalidDataError(f"Features are too large for float16: {spoiled}. Use `dtype='bfloat16'`.")
            raise InvalidDataError(f"The trunk's features should be finite. Found infinite or NaN for {spoiled}.")
        return kept.movedim(1, -1).contiguous() if kept.ndim == 4 else kept

    def key(self) -> str:
        """Return the hash of everything that determines the features."""
        data, trunk = self.data, self.trunk
        twice = data.mirror is not None
        how = (_VERSION, torch.__version__, str(self.dtype), self.device.type, self.precision, twice)
        digest = hashlib.sha256(repr(how).encode())
        for name, module in trunk.named_modules():
            # Not `repr`: for a split network it shows the name, which copies lose, and not the steps.
            steps = module.code if isinstance(module, fx.GraphModule) else ""
            kind = f"{type(module).__module__}.{type(module).__qualname__}"
            digest.update(repr((name, kind, module.extra_repr(), steps)).encode())
        for name, tensor in [*trunk.named_parameters(), *trunk.named_buffers()]:
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(_bytes(tensor.detach()))
        for inputs in (data.inputs, data.mirrored_inputs if twice else None):
            if inputs is not None:
                digest.update(f"{tuple(inputs.shape)} {inputs.dtype}\n".encode())
                for start in range(0, len(inputs), 1024):
                    digest.update(_bytes(inputs[start : start + 1024]))
        return digest.hexdigest()[:32]


def _bytes(values: Tensor | NDArray[Any]) -> memoryview:
    if isinstance(values, Tensor):
        return values.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def _matches(file: RowFile, probe: Tensor) -> bool:
    """Return whether the first row on disk equals the trunk's present output up to rounding; True if there is no row.

    The hash does not include the code of the layers, so a changed layer is detected only by its output.
    """
    if file.done() == 0:
        return True
    kept, today = file.read()[:1].float(), probe.float()
    return bool((kept - today).abs().max() <= _TOLERANCE * today.abs().max())
