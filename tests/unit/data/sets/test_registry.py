"""Data sets are found by name, by path, as objects and by their files; unknown ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepgum.data.sets.base import Dataset
from deepgum.data.sets.digits import Digits
from deepgum.data.sets.registry import DATASETS, detect, get_dataset, name_of
from deepgum.errors import InvalidParameterError, UnknownNameError

PLUGIN = """
from deepgum.data import Dataset

class Faces(Dataset):
    name = "faces"

    def pool(self, request, seed):
        raise NotImplementedError

class Scaled(Faces):
    def __init__(self, scale=1):
        self.scale = scale

class Nameless(Dataset):
    def pool(self, request, seed): ...

class Empty(Dataset):
    image_size = 32

class Wrong(Faces):
    groups = "points"

FACES = Faces()
LIST = [1, 2]
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module in the working folder; unique per test, since Python imports a module once."""
    name = f"my_sets_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return name


def test_names_paths_objects_and_classes_stand_for_a_data_set(plugin: str) -> None:
    digits = DATASETS["digits"]
    for value in ("digits", digits, Digits, Digits(), "deepgum.data.sets.digits:Digits"):
        assert get_dataset(value) == digits
    assert get_dataset("csv") is DATASETS["table"]
    for path in ("Faces", "FACES"):
        assert get_dataset(f"{plugin}:{path}").name == "faces"


@pytest.mark.parametrize("name", ["utk-face", "lfw_net", "photos", "", "Faces"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"`dataset` should be one of 'lfw-net', .*'package\.module:name'"):
        get_dataset(name)


def test_the_nearest_name_is_shown() -> None:
    with pytest.raises(UnknownNameError, match=r"`data` should be .* Did you mean 'lfw-net'"):
        get_dataset("lfw_net", "data")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Empty", r"a complete Dataset.*Empty lacks `name` and `pool`"),
        ("Nameless", r"a complete Dataset.*Nameless lacks `name`\."),
        ("Wrong", r"a complete Dataset.*Its `groups` is 'points'"),
        ("LIST", r"`list` is not a subclass of `deepgum\.data\.sets\.base\.Dataset`"),
        ("Nobody", r"AttributeError: .*Nobody"),
    ],
)
def test_a_plugin_that_lacks_a_part_is_refused_with_the_part(plugin: str, name: str, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message) as caught:
        get_dataset(f"{plugin}:{name}", "data.name")
    assert caught.value.parameter == "data.name"


def test_a_module_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match=r"ModuleNotFoundError.*no_such_module"):
        get_dataset("no_such_module:Faces")


def test_the_name_in_a_file_gives_the_same_data_set_again(plugin: str) -> None:
    assert [name_of(value) for value in ("csv", Digits, DATASETS["fld"], "a.b:C")] == [
        "table",
        "digits",
        "fld",
        "a.b:C",
    ]
    faces = get_dataset(f"{plugin}:Faces")
    for value in (faces, type(faces)):
        assert name_of(value) == f"{plugin}:Faces"
    assert get_dataset(name_of(faces)) == faces
    scaled: Any = type(get_dataset(f"{plugin}:Scaled"))
    assert name_of(scaled(1)) == f"{plugin}:Scaled"
    with pytest.raises(InvalidParameterError, match=r"without changed settings.*would be lost in a file"):
        name_of(scaled(2))

    class Local(Dataset):
        name = "local"

        def pool(self, request: Any, seed: int) -> Any: ...

    with pytest.raises(InvalidParameterError, match=r"`dataset` should be a Dataset of a module.*Move it to a module"):
        name_of(Local())


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("trainImageList.txt", "testImageList.txt"), "lfw-net"),
        (("Anno/list_landmarks.txt",), "fld"),
        (("celebrity2000_meta.mat",), "cacd"),
        (("CACD2000/53_Given_Family_0001.jpg",), "cacd"),
        (("yaw.csv", "v01/frame_0001.png"), "mcgill"),
        (("biwi_train.npz",), "head-pose"),
        (("100_0_0_20170112213500903.jpg.chip.jpg", "readme.txt"), "utkface"),
    ],
)
def test_a_folder_is_known_by_its_files(tmp_path: Path, files: tuple[str, ...], name: str) -> None:
    assert detect(touch(tmp_path, *files)) is DATASETS[name]


@pytest.mark.parametrize("files", [(), ("trainImageList.txt",), ("1_2.jpg", "26_5_1_2017.jpg", "photo.jpg")])
def test_an_unknown_folder_is_refused_with_the_names(tmp_path: Path, files: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameterError, match=r"`data` should be a table.*by --dataset: cacd, .*fld.*utkface"):
        detect(touch(tmp_path, *files))


def test_a_folder_with_the_files_of_two_data_sets_is_refused_with_both(tmp_path: Path) -> None:
    touch(tmp_path, "yaw.csv", "biwi_train.npz")
    with pytest.raises(
        InvalidParameterError, match=r"files of several data sets\. Name the data set, .*: mcgill, head-pose\."
    ):
        detect(tmp_path)


def test_any_file_is_a_table(make_small: Callable[[str], Any], tmp_path: Path) -> None:
    assert detect(make_small("table").path) is DATASETS["table"]
    with pytest.raises(InvalidParameterError, match="nowhere"):
        detect(tmp_path / "nowhere.csv")
