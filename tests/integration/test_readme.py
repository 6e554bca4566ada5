"""Each Python block of the README runs as pasted into a new file, and shows what its comments say."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")
TITLES = ["First steps", "A network on arrays", "A training loop of your own", "scikit-learn", "The mixture alone"]


def block(title):
    """Return the Python under a heading."""
    section = re.search(rf"^##+ {title}\n(.*?)(?=^##)", TEXT, re.DOTALL | re.MULTILINE)
    assert section, title
    (code,) = re.findall(r"```python\n(.*?)```", section[1], flags=re.DOTALL)
    return code


def run(title):
    """Run a block in an empty namespace, and return the namespace."""
    names = {"__name__": "pasted"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(block(title), str(README), "exec"), names)
    return names


def test_every_block_is_under_test():
    assert TEXT.count("```python\n") == len(TITLES)


def test_the_audit_finds_the_lost_decimal_points(capsys):
    names = run("First steps")
    flags = names["scored"].labels.flags[:, 0]
    assert flags[names["wrong"]].sum() == flags.sum() == 22
    assert "Divided by 10 it fits: 116" in capsys.readouterr().out
    X, y = names["load_diabetes"](return_X_y=True, as_frame=True)
    assert not names["audit_labels"](X, y).labels.flags.any()


def test_a_network_on_arrays_doubts_what_moved():
    names = run("A network on arrays")
    flags, moved = names["result"].flags, names["labels"].outlier
    assert names["result"].responsibilities.shape == (400, 4)
    assert flags[moved].double().mean() > 2 * flags[~moved].double().mean()


def test_a_training_loop_doubts_the_wrong_fifth():
    responsibilities = run("A training loop of your own")["tracker"].responsibilities[:, 0]
    wrong = np.arange(300) % 5 == 0
    assert (responsibilities[wrong] < 0.5).double().mean() > 0.9
    assert (responsibilities[~wrong] < 0.5).double().mean() < 0.1


def test_the_regressor_predicts():
    names = run("scikit-learn")
    assert names["regressor"].inlier_probability_.shape == (442, 1)
    assert names["regressor"].score(names["X"], names["y"]) > 0.3


def test_the_mixture_alone_tells_the_share():
    names = run("The mixture alone")
    np.testing.assert_allclose(names["mixture"].inlier_prior_, 0.9, atol=0.02)


@pytest.mark.parametrize("title", TITLES)
def test_every_block_imports_what_it_uses(title):
    assert block(title).startswith(("import ", "from "))
