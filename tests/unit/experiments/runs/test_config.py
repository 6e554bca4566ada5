import re
import tomllib
from dataclasses import asdict, fields

import pytest

from deepgum.data.sets.registry import DATASETS
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.experiments.runs.config import (
    CACHE_DTYPES,
    PUBLISHED,
    CorruptionConfig,
    DataConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
)
from deepgum.experiments.runs.config_file import read_config, write_config
from deepgum.training import METHODS, PRESETS, DeepGUMOptions, SGDOptions

DIGITS = {"data": {"name": "digits"}}
TABLE = {"name": "table", "folder": "t.csv"}
# A value of each field that is not its default, and what belongs with it.
CHANGED = {
    "data": {
        "name": "utkface",
        "image_size": 48,
        "colour": False,
        "train_size": 50,
        "validation_size": 20,
        "test_size": 30,
        "fold": 1,
        "skip_missing": True,
        "skip_unreadable": True,
        "pixels": True,
        "options": {"table": "angles.csv"},
    },
    "model": {
        "output": "points",
        "name": "vgg16",
        "weights": "weights.pth",
        "frozen": "features.23",
        "fc_width": 512,
        "cache_dtype": "float16",
    },
    "training": {
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "schedule": "cosine",
        "weight_decay": 0.1,
        "batch_size": 7,
        "epochs_max": 3,
        "patience": 2,
        "mirror": False,
        "precision": "bf16",
    },
}
# What says where the files are, or on what the same result is computed.
WITHOUT_EFFECT = {("data", "folder"), ("data", "cache_dir"), ("model", "cache"), ("training", "device")}
# What is only checked.
WITHOUT_EFFECT |= {("model", "sha256")}


def changed(section, key, value, of=DIGITS):
    return RunConfig.from_mapping({**of, section: {**of.get(section, {}), key: value}})


def written(tmp_path, text, changes=()):
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path, changes)


@pytest.mark.parametrize(
    ("values", "parameter", "words"),
    [
        ({**DIGITS, "training": {"patiense": 3}}, "training.patiense", ["'patience'", "'batch_size'", "Did you mean"]),
        ({**DIGITS, "trainig": {}}, "trainig", ["'training'", "'corruption'"]),
        ({**DIGITS, "training": {"patience": 0}}, "training.patience", ["at least 1"]),
        ({**DIGITS, "training": {"patience": "3"}}, "training.patience", ["a whole number", "'3'"]),
        ({**DIGITS, "training": {"patience": 3.0}}, "training.patience", ["a whole number"]),
        ({**DIGITS, "training": {"patience": True}}, "training.patience", ["a whole number"]),
        ({**DIGITS, "training": {"mirror": 1}}, "training.mirror", ["true or false"]),
        ({**DIGITS, "training": {"learning_rate": "fast"}}, "training.learning_rate", ["a number"]),
        ({**DIGITS, "training": {"optimizer": "sdg"}}, "training.optimizer", ["'adam'", "'adamw'", "'sgd'"]),
        ({**DIGITS, "training": 3}, "training", ["a table of keys and values"]),
        ({**DIGITS, "seed": -1}, "seed", ["at least 0"]),
        ({**DIGITS, "seed": 0.5}, "seed", ["a whole number"]),
        ({**DIGITS, "method": {"name": "deepgumm"}}, "method.name", ["'deepgum'", "'huber'", "Did you mean"]),
        ({**DIGITS, "method": {"groups": "landmarks"}}, "method.groups", ["'coordinate'", "Did you mean"]),
        ({**DIGITS, "method": {"options": {"warmup": 3}}}, "method.options", ["Did you mean 'warmup_epochs'"]),
        ({**DIGITS, "method": {"options": {"groups": "sample"}}}, "method.options", ["'first_loss'"]),
        ({**DIGITS, "method": {"options": {"mixture": {}}}}, "method.options", ["'first_loss'"]),
        ({**DIGITS, "method": {"options": {"least_weight": 2}}}, "method.options.least_weight", ["[0, 1)"]),
        ({**DIGITS, "method": {"schedule": {"widening": 0}}}, "method.schedule.widening", ["above 0"]),
        ({**DIGITS, "method": {"schedule": {"name": "no"}}}, "method.schedule.name", ["'alternate'"]),
        ({**DIGITS, "method": {"schedule": {"restart": "fresh"}}}, "method.schedule.restart", ["'alternate'"]),
        ({**DIGITS, "method": {"name": "l2", "options": {"least_weight": 0.1}}}, "method.options", ["'l2'"]),
        ({**DIGITS, "corruption": {"rate": 40}}, "corruption.rate", ["[0, 1]"]),
        ({**DIGITS, "corruption": {"noise": "l-ugoo"}}, "corruption.noise", ["'l-ugo'", "Did you mean"]),
        ({**DIGITS, "model": {"weights": 3}}, "model.weights", ["a path"]),
        ({**DIGITS, "model": {"cache_dtype": "float64"}}, "model.cache_dtype", ["'bfloat16'"]),
        ({**DIGITS, "model": {"fc_width": 0}}, "model.fc_width", ["at least 1"]),
        ({"data": {"name": "digit"}}, "data.name", ["'digits'", "'lfw-net'", "Did you mean"]),
        ({"data": {"name": "digits", "image_size": 8}}, "data.image_size", ["at least 16"]),
        ({"data": {"name": "digits", "train_size": 1}}, "data.train_size", ["at least 2"]),
        ({"data": {"name": "digits", "options": {"clothes": "upper"}}}, "data.options", ["Found"]),
        ({"data": {"name": "digits", "options": []}}, "data.options", ["a table of keys and values"]),
        ({"data": {"name": "utkface"}}, "data.folder", ["'utkface'"]),
        (
            {"data": {"name": "fld", "folder": "here", "options": {"clothes": "uper"}}},
            "data.options.clothes",
            ["'lower'", "Did you mean 'upper'"],
        ),
        ({"data": {"name": "head-pose", "folder": "here", "fold": 7}}, "data.fold", ["0 to 6"]),
        ({"data": {"name": "digits", "fold": 1}}, "data.fold", ["0 to 0"]),
        ({"data": {**TABLE, "options": {"targets": "age"}}}, "data.options.targets", ["a list"]),
        ({"data": {**TABLE, "options": {"targets": [3]}}}, "data.options.targets", ["a list of texts", "[3]"]),
        ({"data": {**TABLE, "options": {"features": ["a", 1.5]}}}, "data.options.features", ["a list of texts"]),
        (
            {"data": {"name": "head-pose", "folder": "here", "options": {"parts": [["a.npz"]]}}},
            "data.options.parts",
            ["a list of texts"],
        ),
        ({"data": {**TABLE, "options": {"landmarks": "no"}}}, "data.options.landmarks", ["true or false"]),
        ({}, "data", ["given"]),
    ],
)
def test_a_mistake_names_its_key_and_the_choices(values, parameter, words):
    with pytest.raises(InvalidParameterError) as caught:
        RunConfig.from_mapping(values)
    assert caught.value.parameter == parameter
    assert f"`{parameter}`" in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("noise", ["ngo", "l-ugo", "g-ugo"])
def test_landmark_noise_and_landmark_groups_are_for_landmarks(noise):
    ages = {"data": {"name": "utkface", "folder": "here"}}
    with pytest.raises(InvalidParameterError, match=r"`corruption\.noise` should be 'uniform'"):
        RunConfig.from_mapping({**ages, "corruption": {"noise": noise, "rate": 0.1}})
    with pytest.raises(InvalidParameterError, match=r"`method\.groups` should be 'sample' or 'coordinate'"):
        RunConfig.from_mapping({**ages, "method": {"groups": "landmark"}})
    assert RunConfig.from_mapping({**DIGITS, "corruption": {"noise": noise, "rate": 0.1}}).groups == "landmark"
    # A table says by itself whether its targets are points.
    table = {**TABLE, "options": {"targets": ["x", "y"], "image": "file"}}
    with pytest.raises(InvalidParameterError, match=r"corruption\.noise"):
        RunConfig.from_mapping({"data": table, "corruption": {"noise": noise, "rate": 0.1}})
    table["options"]["landmarks"] = True
    pictured = RunConfig.from_mapping({"data": table, "corruption": {"noise": noise, "rate": 0.1}})
    assert pictured.measure.landmarks


def test_what_cannot_be_read_as_toml_is_named_with_its_line(tmp_path):
    with pytest.raises(InvalidDataError, match=r"line 2"):
        written(tmp_path, "seed = 0\n[data\n")
    with pytest.raises(InvalidDataError, match=r"nothing\.toml"):
        read_config(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidDataError, match=r"binary\.toml"):
        read_config(tmp_path / "binary.toml")


def test_changes_are_values_of_toml_or_plain_text(tmp_path):
    text = "[data]\nname = 'digits'\n[training]\npatience = 9\n"
    changes = ["training.patience=2", "method.name=huber", "training.learning_rate = 1e-2", "seed=4"]
    changes += ["data.colour=false", "corruption.noise='g-ugo'", "training.optimizer=sgd"]
    config = written(tmp_path, text, changes)
    assert (config.training.patience, config.training.learning_rate, config.training.optimizer) == (2, 0.01, "sgd")
    assert (config.method.name, config.seed, config.data.colour, config.corruption.noise) == (
        "huber",
        4,
        False,
        "g-ugo",
    )
    method = written(tmp_path, text, ["method.schedule.name=alternate", "method.schedule.rounds_max=3"]).method
    assert (method.schedule["name"], method.schedule["rounds_max"]) == ("alternate", 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.patience", "`set` should be 'section.key=value'"),
        ("=3", "`set` should be 'section.key=value'"),
        ("data.name.first=digits", "a key in a section; 'name' is not a section"),
        ("training.patiense=3", "Did you mean 'patience'"),
        ("training.patience=soon", r"`training\.patience` should be a whole number"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(tmp_path, change, message):
    with pytest.raises(InvalidParameterError, match=message):
        written(tmp_path, "[data]\nname = 'digits'\n", [change])


@pytest.mark.parametrize("method", METHODS)
def test_a_written_run_is_the_same_run(tmp_path, method):
    values = {
        "data": {"name": "fld", "folder": tmp_path / 'a "b"', "train_size": 40, "options": {"clothes": "full"}},
        "method": {"name": method},
        "corruption": {"noise": "uniform", "rate": 0.25},
        "training": {"learning_rate": 1e-4, "schedule": "one-cycle"},
        "seed": 11,
    }
    config = RunConfig.from_mapping(values)
    path = tmp_path / "config.toml"
    write_config(config, path)
    again = read_config(path)
    assert again == config
    assert again.digest == config.digest
    write_config(again, tmp_path / "twice.toml")
    assert (tmp_path / "twice.toml").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("method", [name for name, named in METHODS.items() if named.options is not None])
def test_the_options_of_a_method_are_spelled_out(method):
    own, options = MethodConfig(method), METHODS[method].options
    names = {field.name for field in fields(DeepGUMOptions)} - {"groups", "schedule", "mixture"}
    unset = {name for name in names if getattr(options, name) is None}
    assert set(own.options) == names - unset
    assert own.schedule == {"name": options.schedule.name, **asdict(options.schedule)}
    assert options.with_changes(**own.changes) == options
    # Written out it is the same run as the name alone, and the name's preset does not overwrite it.
    assert MethodConfig(method, options=own.options, schedule=own.schedule, mixture=own.mixture) == own
    assert MethodConfig(method, schedule={"widening": 3.0}).schedule == {**own.schedule, "widening": 3.0}
    assert MethodConfig(method, mixture={"tol": 0.5}).mixture == {**own.mixture, "tol": 0.5}


@pytest.mark.parametrize(
    ("options", "tables"),
    [
        ({"restart": "fresh"}, {"schedule": {"restart": "fresh"}}),
        ({"start_counts": True, "em_tol": 0.0}, {"schedule": {"start_counts": True}, "mixture": {"tol": 0.0}}),
        ({"schedule": "alternate", "rounds_max": 2}, {"schedule": {"name": "alternate", "rounds_max": 2}}),
    ],
)
def test_an_option_that_moved_is_refused_with_the_lines_to_write(options, tables):
    match = r"`method\.options\.\w+` should be in the table .*Write `"
    with pytest.raises(InvalidParameterError, match=match) as found:
        RunConfig.from_mapping({**DIGITS, "method": {"name": "deepgum-paper", "options": options}})
    lines = re.findall(r"`(\w+ = \{.*?\})`", str(found.value))
    assert tomllib.loads("\n".join(lines)) == tables


def test_errors_name_the_section_of_the_method():
    for section, changes, message in (
        ("options", {"least_weight": 2}, r"`method\.options\.least_weight`"),
        ("options", {"leastweight": 0}, r"`method\.options` should be one of .*'least_weight'"),
        ("schedule", {"restart": "new"}, r"`method\.schedule\.restart`.*'fresh'"),
        ("schedule", {"name": "alternating"}, r"`method\.schedule\.name`.*'alternate'"),
        ("mixture", {"uniform": "box"}, r"`method\.mixture\.uniform`"),
        ("mixture", {"groups": "sample"}, r"`method\.mixture\.groups` should be one of"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            RunConfig.from_mapping({**DIGITS, "method": {"name": "deepgum-paper", section: changes}})
    with pytest.raises(InvalidParameterError, match=r"`method\.schedule` should be empty: 'l2' trains with one loss"):
        RunConfig.from_mapping({**DIGITS, "method": {"name": "l2", "schedule": {"widening": 1.0}}})


def test_a_loss_of_your_own_is_not_imported_when_its_path_is_read():
    config = RunConfig.from_mapping({**DIGITS, "method": {"name": "no_such_module:Welsch"}})
    assert ":" not in config.stem
    assert config.to_mapping()["method"] == {"name": "no_such_module:Welsch", "groups": "landmark", "options": {}}
    with pytest.raises(InvalidParameterError, match="trains with one loss"):
        MethodConfig("no_such_module:Welsch", options={"least_weight": 0.1})


def test_methods_that_are_one_run_have_no_options():
    assert all(MethodConfig(name).options == {} for name, named in METHODS.items() if named.options is None)
    assert MethodConfig("deepgum-paper").options["first_loss"] == PRESETS["paper"].first_loss


def test_the_digest_says_nothing_of_where_files_are(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.pth").write_bytes(b"1")
    digests = {
        RunConfig(
            DataConfig("utkface", folder=tmp_path / name, cache_dir=tmp_path / name),
            ModelConfig("vgg16", weights=tmp_path / name / "weights.pth", frozen="features.23", cache=name == "a"),
            training=SGDOptions(device={"a": "cpu", "b": "cuda"}[name]),
        ).digest
        for name in ("a", "b")
    }
    assert len(digests) == 1
    tables = [
        RunConfig(DataConfig("table", folder=tmp_path, options={"targets": ["age"], "image": "f", "root": root}))
        for root in ("", "/photos", "photos")
    ]
    assert len({table.digest for table in tables}) == 1


@pytest.mark.parametrize(("section", "key"), [(section, key) for section in CHANGED for key in CHANGED[section]])
def test_the_digest_depends_on_what_changes_a_result(section, key):
    # Only landmarks can be in pixels, and only videos have folds.
    name = "fld" if key == "pixels" else "mcgill"
    start = {"data": {"name": name, "folder": "here"}, "model": {"frozen": "features.30"}}
    assert changed(section, key, CHANGED[section][key], start).digest != RunConfig.from_mapping(start).digest


def test_every_key_of_a_section_is_looked_at_above():
    for section, kind in (("data", DataConfig), ("model", ModelConfig), ("training", SGDOptions)):
        keys = {(section, field.name) for field in fields(kind)}
        assert keys - WITHOUT_EFFECT == {(section, key) for key in CHANGED[section]}


def test_the_digest_depends_on_the_seed_the_method_and_its_options():
    values = [
        {},
        {"seed": 1},
        {"method": {"name": "huber"}},
        {"method": {"name": "deepgum-paper"}},
        {"method": {"groups": "sample"}},
        {"method": {"schedule": {"widening": 3.0}}},
        {"method": {"mixture": {"max_iter": 3}}},
        {"method": {"options": {"cauchy_scale": 0.1}}},
        {"corruption": {"noise": "uniform", "rate": 0.2}},
        {"corruption": {"noise": "l-ugo", "rate": 0.2}},
        {"corruption": {"noise": "l-ugo", "rate": 0.3}},
    ]
    configs = [RunConfig.from_mapping({**DIGITS, **value}) for value in values]
    assert len({config.digest for config in configs}) == len(values)
    assert len({config.stem for config in configs}) == len(values)


def test_noise_of_rate_0_is_no_noise():
    configs = [
        RunConfig(DataConfig("digits"), corruption=CorruptionConfig(noise, 0.0))
        for noise in ("uniform", "ngo", "g-ugo")
    ]
    assert len({config.digest for config in configs}) == 1
    assert len({config.stem for config in configs}) == 1


@pytest.mark.parametrize(
    ("method", "key"),
    [("l2", "eb8ecbf16a93dac8"), ("deepgum-paper", "0eec1e7611dc2ce5"), ("dexgum", "99b0e66c55b4fc1d")],
)
def test_runs_that_were_made_before_there_was_a_choice_keep_their_keys(method, key):
    # Made by version 0.1.0, before labels could be deleted and EM be run every epoch.
    values = {"method": {"name": method}, "corruption": {"noise": "l-ugo", "rate": 0.4}}
    assert RunConfig.from_mapping({**DIGITS, **values}).digest == key


def test_labels_that_are_deleted_are_named_in_the_key_and_the_stem():
    def of(**corruption):
        return RunConfig.from_mapping({**DIGITS, "corruption": corruption})

    assert of(noise="ngo", rate=0.2, missing=0).digest == of(noise="ngo", rate=0.2).digest
    runs = [of(), of(missing=0.2), of(noise="ngo", rate=0.2), of(noise="ngo", rate=0.2, missing=0.2), of(missing=0.3)]
    assert len({run.digest for run in runs}) == len(runs)
    assert [("_missing0.2" in run.stem) for run in runs] == [False, True, False, True, False]
    # Without wrong labels the noise makes no difference, and what is deleted does.
    assert of(noise="ngo", rate=0, missing=0.2).digest == of(noise="l-ugo", rate=0, missing=0.2).digest
    for share in (1, -0.1):
        with pytest.raises(InvalidParameterError, match=r"`corruption\.missing`"):
            of(missing=share)


def test_a_default_and_the_same_value_written_out_are_one_run():
    sizes = [RunConfig(DataConfig("digits", image_size=size)) for size in (None, DATASETS["digits"].image_size)]
    assert sizes[0].digest == sizes[1].digest
    rates = [changed("corruption", "rate", rate) for rate in (1, 1.0)]
    assert rates[0].digest == rates[1].digest
    assert changed("training", "weight_decay", 0).digest == RunConfig.from_mapping(DIGITS).digest


@pytest.mark.parametrize(
    ("method", "schedule", "same", "others"),
    [
        ("l2", "constant", 5, [4, 30]),
        ("deepgum", "constant", 5, [4, 30]),
        ("l2", "one-cycle", 30, [5, 29]),
        ("deepgum-alternate", "one-cycle", 30, [5, 29]),
        # Patience has no effect here, and the key is that of earlier versions, whose default was 5.
        ("deepgum", "one-cycle", 5, [30]),
    ],
)
def test_the_default_patience_is_one_run_with_the_patience_that_takes_effect(method, schedule, same, others):
    def digest(**patience):
        training = {"schedule": schedule, "epochs_max": 30, **patience}
        return RunConfig.from_mapping({**DIGITS, "method": {"name": method}, "training": training}).digest

    assert digest() == digest(patience=same)
    assert not {digest(patience=other) for other in others} & {digest()}


def test_numbers_of_a_cache_matter_where_there_is_one():
    models = [{"frozen": frozen, "cache": cache} for frozen in ("", "features.23") for cache in (True, False)]
    for model in models:
        digests = {changed("model", "cache_dtype", dtype, {**DIGITS, "model": model}).digest for dtype in CACHE_DTYPES}
        assert len(digests) == (3 if model["frozen"] and model["cache"] else 1)


def test_numbers_that_are_none_are_refused(tmp_path):
    for text in ("rate = nan", "rate = inf"):
        with pytest.raises(InvalidParameterError, match=r"corruption\.rate"):
            written(tmp_path, f"[data]\nname = 'digits'\n[corruption]\n{text}\n")


def test_the_digest_knows_weights_by_what_they_are(tmp_path):
    first, second, third = (tmp_path / name for name in ("a.pth", "b.pth", "c.pth"))
    first.write_bytes(b"weights")
    second.write_bytes(b"weights")
    third.write_bytes(b"others")
    digests = [changed("model", "weights", str(path)).digest for path in (first, second, third)]
    assert digests[0] == digests[1] != digests[2]
    third.write_bytes(b"weights ")
    assert changed("model", "weights", str(third)).digest not in digests


def test_pixels_are_of_landmarks():
    assert changed("data", "pixels", True).measure.unit == "px of 224"
    with pytest.raises(InvalidParameterError, match=r"data\.pixels"):
        RunConfig.from_mapping({"data": {"name": "utkface", "folder": "faces", "pixels": True}})


def test_a_table_may_be_called_csv():
    options = {"targets": ["age"], "image": "file", "swap_pairs": [[0, 1]]}
    called = [
        RunConfig.from_mapping({"data": {**TABLE, "name": name, "options": options}}) for name in ("csv", "table")
    ]
    assert called[0] == called[1]
    assert called[0].to_mapping()["data"]["name"] == "table"
    assert called[0].stem == called[1].stem


def test_weights_are_of_a_kind_that_can_be_read_and_are_there(tmp_path):
    for name in ("a.safetensors", "b.pth", "c.pt", "d.bin", "e"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.pth").mkdir()
    for name in ("a.safetensors", "b.pth", "c.pt"):
        ModelConfig(weights=tmp_path / name).check_weights()
    ModelConfig("vgg16", weights=PUBLISHED).check_weights()
    for name in ("d.bin", "e", "folder.pth", "nowhere.pth"):
        message = rf"`model\.weights` should be a file of .*\.safetensors, \.pth, \.pt.*{name}"
        with pytest.raises(InvalidParameterError, match=message):
            ModelConfig(weights=tmp_path / name).check_weights("model.weights")
