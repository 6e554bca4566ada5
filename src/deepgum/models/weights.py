"""Weights files: read, check, load into a network, and save; download the published weights of VGG-16.

The formats are safetensors and the format of `torch.save`. Code inside a file of `torch.save` is never run.
"""

from __future__ import annotations

import hashlib
import os
import re
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.storage.disk import write_atomically

__all__ = [
    "SUFFIXES",
    "VGG16_SHA256",
    "VGG16_URL",
    "Loaded",
    "download_vgg16_weights",
    "load_weights",
    "read_weights",
    "save_weights",
]

VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
"""ImageNet weights published by torchvision; the name contains the first digits of the file's SHA-256."""
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
"""SHA-256 of this file. Eight digits are too few: one machine can make another file with the same eight digits."""
SUFFIXES = (".safetensors", ".pth", ".pt")
"""Suffixes of the files that can be read."""


@dataclass(frozen=True)
class Loaded:
    """The names of the tensors of a network: loaded tensors, and tensors that were not loaded.

    Attributes
    ----------
    loaded : tuple of str
        Tensors that were copied from the file.
    fresh : tuple of str
        Tensors that did not change.
    """

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]


def read_weights(path: str | os.PathLike[str], *, sha256: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a weights file on the CPU: a dict of name to tensor.

    Parameters
    ----------
    path : path
        ``*.safetensors``, or a file ``*.pth`` or ``*.pt`` of `torch.save`, with the state or with a dict that has the
        state under the key "state_dict".
    sha256 : str, optional
        The file's SHA-256 in hexadecimal digits, or at least its first 8 digits.

    Raises
    ------
    InvalidParameterError
        If the file does not exist, or has another suffix.
    InvalidDataError
        If the checksum differs, the file cannot be read, or a value in the file is not a tensor.
    """
    file = Path(path)
    if file.suffix not in SUFFIXES:
        raise InvalidParameterError("path", "a file *.safetensors, *.pth or *.pt", str(path))
    if not file.is_file():
        raise InvalidParameterError("path", "an existing weights file", str(path))
    if sha256 is not None:
        _check_sha256(file, sha256)
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler may raise any error on a file of another format
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidDataError(f"'{file}' cannot be read as weights: {reason}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InvalidDataError(f"'{file}' should hold tensors by name. Found {_describe(state)}.")
    return {str(name): tensor for name, tensor in state.items()}


def load_weights(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    fresh: Sequence[str] = (),
    fitting: Sequence[str] = (),
    complete: bool = False,
) -> Loaded:
    """Copy each tensor of a weights file into the tensor with the same name in a network.

    Tensors of the network that the file lacks do not change. An unknown name or another shape in the file is an error,
    because the file then belongs to another architecture. The last linear layer is an exception: this layer has one row
    per output, and if only the number of outputs differs, the layer does not change.

    Parameters
    ----------
    model : nn.Module
        The network, which is changed in place after all checks. Floats are converted to the type of the network.
    path : path
        See `read_weights`.
    sha256 : str, optional
        See `read_weights`.
    fresh : sequence of str
        Prefixes of names that are not loaded from the file.
    fitting : sequence of str
        Prefixes of names. The tensors of a prefix are loaded only if all of them have the same shapes in the file and
        in the network. For example, ``["classifier."]`` omits the published fully connected layers of VGG-16 if the
        images do not have 224 pixels.
    complete : bool
        Whether the file must contain every tensor of the network, including the tensors of the last layer. Set this for
        files that `save_weights` wrote for the same network.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        See `read_weights`.
    InvalidDataError
        If names or shapes do not fit, or weights are not finite. The network does not change.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "weights.safetensors"
    ...     save_weights(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1000)), path)
    ...     load_weights(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3)), path)
    Loaded(loaded=('0.weight', '0.bias'), fresh=('1.weight', '1.bias'))
    """
    own, skipped = model.state_dict(), tuple(fresh)
    given = {name: tensor for name, tensor in read_weights(path, sha256=sha256).items() if not name.startswith(skipped)}
    if not complete:
        given = _without_other_outputs(model, own, given)
    for part in fitting:
        of_part = [name for name in given if name.startswith(part)]
        if any(name in own and given[name].shape != own[name].shape for name in of_part):
            given = {name: tensor for name, tensor in given.items() if name not in of_part}
    _check_fit(str(path), own, given, complete)
    given = _converted(str(path), own, given)
    for name, tensor in given.items():
        own[name].copy_(tensor)
    return Loaded(tuple(name for name in own if name in given), tuple(name for name in own if name not in given))


def save_weights(
    model: nn.Module,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    replace: bool = True,
) -> None:
    """Write a network's state as safetensors; the file is written atomically.

    Parameters
    ----------
    model : nn.Module
    path : path
        ``*.safetensors``, in an existing folder; an existing file is replaced.
    metadata : mapping of str to str, optional
        Entries of the file's header.

    Raises
    ------
    InvalidParameterError
        If the path has another suffix, its folder does not exist, or the metadata are not strings.
    DiskFullError
        If the disk cannot hold the file.
    """
    file, header = Path(path), dict(metadata or {})
    if file.suffix != ".safetensors" or not file.parent.is_dir():
        raise InvalidParameterError("path", "a file *.safetensors in an existing folder", str(path))
    if not all(isinstance(text, str) for pair in header.items() for text in pair):
        raise InvalidParameterError("metadata", "a mapping of str to str", header)
    state: dict[str, Tensor] = {}
    seen = set[int]()
    for name, tensor in model.state_dict().items():
        whole = tensor.detach().cpu().contiguous()
        # The format does not allow two names for one memory: a tied weight is written twice.
        state[name] = whole.clone() if whole.data_ptr() in seen else whole
        seen.add(whole.data_ptr())
    content = safetensors.torch.save(state, header)
    with write_atomically(file, len(content), "weights", replace=replace) as temporary:
        temporary.write_bytes(content)


def download_vgg16_weights(
    folder: str | os.PathLike[str] | None = None, url: str = VGG16_URL, sha256: str = VGG16_SHA256
) -> Path:
    """Return the path of torchvision's ImageNet weights (528 MB). The file is downloaded if necessary, and checked.

    Parameters
    ----------
    folder : path, optional
        By default torch's own folder (`torch.hub.get_dir`), where torchvision stores the same file.
    url : str
        Address of the file.
    sha256 : str
        SHA-256 of the file, 64 hexadecimal digits.

    Raises
    ------
    InvalidParameterError
        If the download fails, or the folder cannot be written to.
    InvalidDataError
        If the file's checksum differs. A downloaded file is then deleted.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise InvalidParameterError("sha256", "64 hexadecimal digits", sha256)
    target = Path(torch.hub.get_dir()) / "checkpoints" if folder is None else Path(folder)
    file = target / url.rpartition("/")[2]
    if file.exists():
        _check_sha256(file, sha256)
        return file
    try:
        target.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), hash_prefix=sha256, progress=False)
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        hint = f"({error}) Get the file in another way, and give its path instead."
        raise InvalidParameterError("url", "an address of a file that can be downloaded", url, hint) from error
    except OSError as error:
        raise InvalidParameterError("folder", "a folder that can hold 528 MB", str(target), f"({error})") from error
    except RuntimeError as error:
        raise InvalidDataError(f"The SHA-256 of '{url}' should be {sha256}: {error}. Try again.") from error
    return file


def _check_sha256(file: Path, expected: str) -> None:
    if not re.fullmatch(r"[0-9a-fA-F]{8,64}", expected):
        raise InvalidParameterError("sha256", "8 to 64 hexadecimal digits", expected)
    with open(file, "rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if not found.startswith(expected.lower()):
        raise InvalidDataError(
            f"The SHA-256 of '{file}' should be {expected.lower()}. Found {found[: len(expected)]}. "
            "The file is truncated, or is another file: download it again."
        )


def _describe(state: object) -> str:
    if not isinstance(state, dict):
        return f"an object of type {type(state).__name__}"
    others = [f"{name} ({type(value).__name__})" for name, value in state.items() if not isinstance(value, Tensor)]
    return f"also {listing(others)}"


def _without_other_outputs(model: nn.Module, own: dict[str, Tensor], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the file's tensors, without the last linear layer if the file has another number of outputs."""
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    keys = [key for key in given if key in own and linear and key.rpartition(".")[0] == linear[-1]]
    same_inputs = all(given[key].shape[1:] == own[key].shape[1:] for key in keys)
    same = all(given[key].shape == own[key].shape for key in keys)
    return {name: tensor for name, tensor in given.items() if same or not same_inputs or name not in keys}


def _check_fit(path: str, own: dict[str, Tensor], given: dict[str, Tensor], complete: bool) -> None:
    problems = []
    if unknown := [name for name in given if name not in own]:
        problems.append(f"the network has no {listing(unknown)}")
    if shapes := [
        f"{name} is {_shape_text(given[name])} in the file and {_shape_text(tensor)} in the network"
        for name, tensor in own.items()
        if name in given and _shape_text(given[name]) != _shape_text(tensor)
    ]:
        problems.append(listing(shapes))
    missing = [name for name in own if name not in given]
    if missing and (complete or not given):
        problems.append(f"the file gives no {listing(missing)}")
    if problems:
        hint = " List layers that are not to be loaded in `fresh`." if shapes and not (unknown or complete) else ""
        raise InvalidDataError(
            f"'{path}' should hold weights of this network. It looks like weights of another architecture: "
            f"{'; '.join(problems)}.{hint}"
        )


def _converted(path: str, own: dict[str, Tensor], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file in the number types of the network."""
    converted = {}
    for name, tensor in given.items():
        try:
            converted[name] = tensor.to(own[name].dtype)
        except RuntimeError as error:  # torch has types of few bits without arithmetic
            raise InvalidDataError(
                f"'{path}' should hold weights that become {own[name].dtype}. Found {tensor.dtype} in {name}."
            ) from error
    if spoiled := [name for name, tensor in converted.items() if not tensor.isfinite().all()]:
        raise InvalidDataError(f"'{path}' should hold finite weights. Found infinite or NaN in {listing(spoiled)}.")
    return converted


def _shape_text(tensor: Tensor) -> str:
    # Floats of any width are converted; a float in place of an integer (a count of batches) is an error.
    return f"{tuple(tensor.shape)}{'' if tensor.is_floating_point() else ' of whole numbers'}"
