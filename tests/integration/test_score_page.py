"""The page of `deepgum score`: its Python and its commands run, in the order in which they stand."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from deepgum.audit.labels import COLUMNS
from deepgum.audit.scoring.survey import LEAST_SAMPLES
from deepgum.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "score.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
COMMAND = re.compile(r"deepgum score [^`\n]+")
KEYPOINTS = re.compile(r"\.(json|slp|h5)\b")  # files that docs/keypoints.md describes; the page has none of them


def test_the_page_from_its_first_line_to_its_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    first, *rest = BLOCKS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(first, str(PAGE), "exec"), namespace)
        commands = [
            each
            for each in dict.fromkeys(each.partition("#")[0].strip() for each in COMMAND.findall(TEXT))
            if not KEYPOINTS.search(each)
        ]
        assert commands
        for command in commands:
            result = CliRunner().invoke(main, command.split()[1:])
            assert result.exit_code == 0, result.output
            assert "y by y_pred" in result.output
        for block in rest:
            exec(compile(block, str(PAGE), "exec"), namespace)
    flags = namespace["scored"].labels.flags[:, 0]
    assert flags[:40].mean() > 0.5
    assert flags[40:].mean() < 0.02
    assert len(namespace["doubtful"]) == flags.sum()
    np.testing.assert_allclose(
        namespace["scores"]["responsibility"], namespace["scored"].labels.responsibilities[:, 0], rtol=1e-6, atol=1e-9
    )


def test_every_column_has_a_row_in_its_order():
    table = TEXT.partition("| column | meaning |")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == list(COLUMNS)


def test_options_and_numbers_are_those_of_the_code():
    known = {option for name in ("score", "review") for param in main.commands[name].params for option in param.opts}
    assert set(re.findall(r"--[a-z]+[a-z-]*", TEXT)) <= known
    assert f"At least {LEAST_SAMPLES} samples" in TEXT


@pytest.mark.parametrize("name", ["pred_age", "predicted_age", "age_pred", "age_hat"])
def test_the_names_that_it_says_are_found_are_found(name):
    from deepgum.audit.scoring.pairs import find_pairs

    assert f"`{name}`" in TEXT
    for label in ("age", "label_age"):
        assert find_pairs([label, name])[0].predicted == name
