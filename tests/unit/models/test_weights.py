"""Weights files: fitting tensors are loaded, other tensors are named, and no file is loaded partly."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from deepgum.errors import DiskFullError, InvalidDataError, InvalidParameterError
from deepgum.models.vgg import VGG16
from deepgum.models.weights import (
    VGG16_SHA256,
    VGG16_URL,
    Loaded,
    download_vgg16_weights,
    load_weights,
    read_weights,
    save_weights,
)


def network(outputs: int = 2, width: int = 5, seed: int = 0) -> nn.Sequential:
    """Return a small network with batch normalisation and two linear layers."""
    torch.manual_seed(seed)
    features = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), pool=nn.AdaptiveMaxPool2d(1)))
    layers = {"features": features, "flat": nn.Flatten(), "fc": nn.Linear(4, width), "last": nn.Linear(width, outputs)}
    return nn.Sequential(OrderedDict(layers))


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def converted(state: dict[str, Tensor], kind: torch.dtype) -> dict[str, Tensor]:
    """Return the state with all floats as `kind`."""
    return {name: tensor.to(kind) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Return a function that writes a state and returns its path."""

    def writing(state: Any, name: str = "weights.safetensors") -> Path:
        path = tmp_path / name
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(state, path)
        else:
            torch.save(state, path)
        return path

    return writing


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt"])
def test_every_kind_of_file_gives_its_tensors(write: Any, name: str) -> None:
    published, model = state_of(network(seed=1)), network(seed=2)
    path = write(published, name)
    assert same(read_weights(path), published)
    assert load_weights(model, path) == Loaded(tuple(published), ())
    assert same(state_of(model), published)


def test_a_state_inside_a_checkpoint_is_found(write: Any) -> None:
    published = state_of(network(seed=1))
    assert same(read_weights(write({"epoch": 3, "state_dict": published}, "w.pth")), published)


def test_half_floats_are_converted_to_the_type_of_the_network(write: Any) -> None:
    published, model = state_of(network(seed=1)), network(seed=2)
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in published.items()}
    load_weights(model, write(half))
    assert model.fc.weight.dtype == torch.float32
    assert torch.equal(model.fc.weight, published["fc.weight"].half().float())


def test_tensors_that_the_file_lacks_do_not_change(write: Any) -> None:
    published, model = state_of(network(seed=1)), network(seed=2)
    before = state_of(model)
    part = {name: tensor for name, tensor in published.items() if name.startswith("features.conv")}
    result = load_weights(model, write(part))
    assert result.loaded == ("features.conv.weight", "features.conv.bias")
    assert result.fresh == tuple(name for name in before if name not in part)
    assert same(state_of(model), before | part)


def test_the_last_layer_may_have_another_number_of_outputs(write: Any) -> None:
    published, model = state_of(network(outputs=1000, seed=1)), network(seed=2)
    before = state_of(model)
    path = write(published)
    assert load_weights(model, path).fresh == ("last.weight", "last.bias")
    assert torch.equal(model.fc.weight, published["fc.weight"])
    assert torch.equal(model.last.weight, before["last.weight"])
    with pytest.raises(InvalidDataError, match=r"last\.weight is \(1000, 5\) in the file and \(2, 5\) in the network"):
        load_weights(model, path, complete=True)


def test_another_architecture_is_refused_with_its_names_and_shapes_and_changes_nothing(write: Any) -> None:
    state, model = state_of(network(width=7, seed=1)), network(seed=2)
    before = state_of(model)
    state["stem.weight"] = torch.zeros(2)
    with pytest.raises(
        InvalidDataError,
        match=r"another architecture: the network has no stem\.weight; "
        r"fc\.weight is \(7, 4\) in the file and \(5, 4\) in the network, fc\.bias is .* in the network\.$",
    ):
        load_weights(model, write(state))
    assert same(state_of(model), before)


def test_layers_that_do_not_fit_can_be_left_out_by_name(write: Any) -> None:
    published, model = state_of(network(width=7, seed=1)), network(seed=2)
    path = write(published | {"fc.other": torch.zeros(2)})
    with pytest.raises(InvalidDataError, match=r"no fc\.other"):
        load_weights(model, path)
    path = write(published)
    with pytest.raises(InvalidDataError, match=r"List layers that are not to be loaded in `fresh`"):
        load_weights(model, path)
    result = load_weights(model, path, fresh=["fc.", "last."])
    assert result.fresh == ("fc.weight", "fc.bias", "last.weight", "last.bias")
    assert torch.equal(model.features.conv.weight, published["features.conv.weight"])


def test_a_float_in_place_of_an_integer_is_refused(write: Any) -> None:
    state = {"features.norm.num_batches_tracked": torch.tensor(2.5)}
    with pytest.raises(InvalidDataError, match=r"num_batches_tracked is \(\) in the file and \(\) of whole numbers"):
        load_weights(network(), write(state))


def test_a_file_without_a_name_in_common_is_refused(write: Any) -> None:
    with pytest.raises(InvalidDataError, match=r"another architecture: the network has no conv1_1\.$"):
        load_weights(network(), write({"conv1_1": torch.zeros(3)}))
    with pytest.raises(InvalidDataError, match=r"the file gives no features\.conv\.weight"):
        load_weights(network(), write({"last.weight": torch.zeros(9, 5)}))


def test_a_complete_file_must_have_all_tensors(write: Any) -> None:
    model = network()
    state = state_of(model)
    del state["features.norm.running_mean"]
    with pytest.raises(InvalidDataError, match=r"the file gives no features\.norm\.running_mean"):
        load_weights(model, write(state), complete=True)


def test_weights_that_are_not_finite_are_refused(write: Any) -> None:
    state = state_of(network())
    state["fc.weight"][1, 1] = float("nan")
    with pytest.raises(InvalidDataError, match=r"finite weights\. Found infinite or NaN in fc\.weight\."):
        load_weights(network(), write(state))


def test_a_checksum_or_its_beginning_is_compared(write: Any) -> None:
    path = write(state_of(network()))
    digits = hashlib.sha256(path.read_bytes()).hexdigest()
    for given in (digits, digits[:8], digits[:10].upper()):
        read_weights(path, sha256=given)
    wrong = "0" * 8
    with pytest.raises(InvalidDataError, match=rf"SHA-256 of '.*' should be {wrong}\. Found {digits[:8]}\."):
        load_weights(network(), path, sha256=wrong)
    for malformed in ("", digits[:7], digits + "0", "g" * 8):
        with pytest.raises(InvalidParameterError, match="sha256"):
            read_weights(path, sha256=malformed)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harm",)


def test_a_file_that_holds_code_is_refused_and_the_code_not_run(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidDataError, match=r"w\.pth' cannot be read as weights"):
        read_weights(write({"weight": Harmful()}, "w.pth"))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + bytes(100), bytes(100)])
def test_a_file_of_another_format_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidDataError, match=f"{name}' cannot be read as weights: ."):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_truncated_file_is_refused(write: Any, name: str) -> None:
    path = write(state_of(network()), name)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidDataError, match="cannot be read as weights"):
        read_weights(path)


@pytest.mark.parametrize(
    ("state", "found"),
    [([torch.zeros(1)], "type list"), ({"weight": torch.zeros(1), "epoch": 3}, r"also epoch \(int\)")],
)
def test_a_state_with_other_values_than_tensors_is_refused(write: Any, state: Any, found: str) -> None:
    with pytest.raises(InvalidDataError, match=rf"tensors by name\. Found .*{found}"):
        read_weights(write(state, "w.pth"))


def test_missing_files_and_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="an existing weights file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(InvalidParameterError, match=r"\*\.safetensors, \*\.pth"):
        read_weights(tmp_path / "weights.h5")


def test_a_saved_network_is_read_with_its_metadata(tmp_path: Path) -> None:
    model, again = network(seed=1), network(seed=2)
    model.to(memory_format=torch.channels_last)
    model.fc.weight = nn.Parameter(torch.rand(4, 5).t())  # not contiguous, as channels-last filters are not
    path = tmp_path / "run.safetensors"
    save_weights(model, path, {"network": "two layers"})
    assert load_weights(again, path, complete=True).fresh == ()
    assert same(state_of(again), state_of(model))
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"network": "two layers"}


def test_tied_weights_are_saved_under_both_names(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_weights(model, tmp_path / "tied.safetensors")
    assert same(read_weights(tmp_path / "tied.safetensors"), state_of(model))


def test_a_full_disk_keeps_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.safetensors"
    save_weights(network(seed=1), path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 10, 10))
    with pytest.raises(DiskFullError, match=r"bytes free for weights\. Found 10"):
        save_weights(network(seed=2), path)
    assert same(read_weights(path), state_of(network(seed=1)))
    assert list(tmp_path.iterdir()) == [path]


def test_invalid_paths_and_metadata_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "run.pth", tmp_path / "none" / "run.safetensors"):
        with pytest.raises(InvalidParameterError, match="path"):
            save_weights(network(), path)
    with pytest.raises(InvalidParameterError, match="metadata"):
        save_weights(network(), tmp_path / "run.safetensors", {"epoch": 3})  # type: ignore[dict-item]


def published(folder: Path, content: bytes) -> tuple[str, str]:
    """Write a file for a download, and return its address and its SHA-256."""
    (folder / "vgg16.pth").write_bytes(content)
    return (folder / "vgg16.pth").as_uri(), hashlib.sha256(content).hexdigest()


def test_a_download_is_checked_kept_and_not_repeated(tmp_path: Path) -> None:
    url, digits = published(tmp_path, b"weights")
    path = download_vgg16_weights(tmp_path / "kept", url, digits)
    assert path.parent == tmp_path / "kept"
    assert path.read_bytes() == b"weights"
    (tmp_path / path.name).unlink()
    assert download_vgg16_weights(tmp_path / "kept", url, digits) == path
    path.write_bytes(b"weights that were cut")
    with pytest.raises(InvalidDataError, match="SHA-256"):
        download_vgg16_weights(tmp_path / "kept", url, digits)


@pytest.mark.fault(22)
def test_a_download_is_checked_by_all_digits(tmp_path: Path) -> None:
    url, found = published(tmp_path, b"weights")
    almost = found[:-1] + ("0" if found[-1] != "0" else "1")
    with pytest.raises(InvalidDataError, match=f'expected "{almost}", got "{found}"'):
        download_vgg16_weights(tmp_path / "kept", url, almost)
    assert list((tmp_path / "kept").iterdir()) == []
    for short in ("", found[:8], found[:63], found.upper()):
        with pytest.raises(InvalidParameterError, match="64 hexadecimal digits"):
            download_vgg16_weights(tmp_path / "kept", url, short)


@pytest.mark.fault(22)
def test_the_digits_of_the_published_weights_are_those_in_their_name() -> None:
    assert re.fullmatch("[0-9a-f]{64}", VGG16_SHA256)
    assert VGG16_URL.endswith(f"-{VGG16_SHA256[:8]}.pth")


def test_a_failed_download_is_an_error_about_its_cause(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"`url` should be an address of a file that can be downloaded"):
        download_vgg16_weights(tmp_path, (tmp_path / "vgg16-0123abcd.pth").as_uri())
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParameterError, match="folder"):
        download_vgg16_weights(tmp_path / "file", *published(tmp_path, b"weights"))


@pytest.mark.fault(17)
@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_weights_of_eight_bits_are_loaded_or_named(write: Any, kind: torch.dtype) -> None:
    state = {
        name: tensor.to(kind) if tensor.is_floating_point() else tensor for name, tensor in state_of(network()).items()
    }
    model = network(seed=1)
    load_weights(model, write(state))
    assert torch.equal(model.state_dict()["last.weight"], state["last.weight"].float())
    state["last.weight"] = torch.full_like(model.state_dict()["last.weight"], torch.nan).to(kind)
    with pytest.raises(InvalidDataError, match=r"infinite or NaN in last\.weight"):
        load_weights(model, write(state))


@pytest.mark.fault(17)
def test_weights_of_a_type_without_arithmetic_are_named(write: Any) -> None:
    state = state_of(network())
    state["last.bias"] = torch.empty(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    with pytest.raises(InvalidDataError, match=r"Found torch\.float4_e2m1fn_x2 in last\.bias"):
        load_weights(network(), write(state, "weights.pth"))


@pytest.mark.fault(17)
def test_weights_that_the_network_cannot_hold_are_named(write: Any) -> None:
    state = {
        name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in state_of(network()).items()
    }
    state["last.bias"][0] = 1e300
    with pytest.raises(InvalidDataError, match=r"infinite or NaN in last\.bias"):
        load_weights(network(), write(state))


def test_the_trunk_of_the_data_folder_is_thirteen_convolutions() -> None:
    folder = os.environ.get("DEEPGUM_DATA")
    if not folder or not (path := Path(folder) / "weights" / "vgg16_trunk_f16.safetensors").is_file():
        pytest.skip("DEEPGUM_DATA names no folder that holds weights/vgg16_trunk_f16.safetensors")
    torch.manual_seed(0)
    model = VGG16(n_outputs=1, image_size=32, fc_width=4)
    result = load_weights(model, path)
    assert len(result.loaded) == 26
    assert all(name.startswith("features.") for name in result.loaded)
    assert all(name.startswith("classifier.") for name in result.fresh)
    # Trained filters are smooth: neighbouring weights are similar.
    filters = model.features[2].weight.detach()
    assert torch.corrcoef(torch.stack([filters[..., 0].flatten(), filters[..., 1].flatten()]))[0, 1] > 0.1
