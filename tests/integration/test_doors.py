"""The page of the doors: its Python runs as pasted, and is as short as the page says."""

import logging
import re
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytestmark = pytest.mark.usefixtures("gaussian_file")

PAGE = Path(__file__).parents[2] / "docs" / "doors.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(title):
    """The Python under a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, title
    return re.findall(r"```python\n(.*?)```", found[1], flags=re.DOTALL)


def lines(block):
    return [line for line in block.splitlines() if line.strip()]


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    """The objects that the page expects of its reader; a fifth of the labels are wrong."""
    monkeypatch.chdir(tmp_path)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, generator=generator)
    y = x[:, :2] + 0.05 * torch.randn(300, 2, generator=generator)
    y[::5] += 4 + torch.rand(60, 2, generator=generator)
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    return {
        "DataLoader": DataLoader,
        "torch": torch,
        "dataset": TensorDataset(x[:250], y[:250]),
        "validation_loader": DataLoader(TensorDataset(x[250:], y[250:]), 25),
        "network": network,
        "model": network,
        "optimizer": torch.optim.Adam(network.parameters(), 1e-2),
    }


def run(blocks, namespace):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), namespace)


def finds_the_wrong_labels(namespace):
    expected = torch.zeros(250, 1, dtype=torch.bool)
    expected[::5] = True
    return (namespace["tracker"].flags == expected).float().mean() > 0.97


def test_a_loop_of_your_own(namespace):
    own = blocks("A loop of your own")
    assert len(lines(own[0])) <= 12
    run(own[:1], namespace)
    assert finds_the_wrong_labels(namespace)
    run(own[1:], namespace)
    assert finds_the_wrong_labels(namespace)
    assert namespace["score"] < 5


def test_scikit_learn(namespace):
    data = namespace["dataset"].tensors
    x, y = (part.numpy() for part in data)
    y[3, 0] = float("nan")
    table = {"X": x, "y": y, "more_X": x[:7], "more_y": y[:7]}
    own = blocks("scikit-learn")
    assert len(lines(own[0])) < 10
    run(own[:1], table)
    assert table["model"].predict(x).shape == y.shape
    wrong = torch.zeros(250, dtype=torch.bool)
    wrong[::5] = True
    flagged = torch.as_tensor(table["model"].inlier_probability_[:, 0] < 0.5)
    assert (flagged == wrong).float().mean() > 0.97
    categories = [[name] for name in "abcd" * 6]
    searched = {**table, "categories": categories, "y": [float(ord(name)) for (name,) in categories]}
    assert "max_epochs=10" in own[1]
    run([own[1].replace("max_epochs=10", "max_epochs=1")], searched)
    assert searched["search"].best_params_


def test_lightning(namespace):
    pytest.importorskip("lightning")
    own = blocks("Lightning")
    assert len(re.findall(r"# \+", own[0])) < 10
    run(own, namespace)
    assert finds_the_wrong_labels(namespace)
    run(blocks("The same training by every door"), namespace)
    assert len(namespace["loader"]) == 4


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet18"])
def test_torchvision_and_timm(namespace, name):
    package = name.partition(":")[0]
    try:
        __import__(package)
    except Exception as error:  # torchvision needs the build of torch that it was made for
        pytest.skip(f"{package} cannot be imported: {error}")
    data = {"images": torch.randint(0, 255, (60, 3, 32, 32), dtype=torch.uint8), "labels": torch.rand(60, 2)}
    (own,) = blocks("torchvision and timm")
    table = {**data, "NAME": name, "WEIGHTS": "", "EPOCHS": 1}
    run([own], table)
    assert table["result"].residuals.shape == (40, 2)
    weights = {key: value + 1 for key, value in table["network"].backbone.state_dict().items()}
    torch.save(weights, "weights.pth")
    run([own.split("result = ")[0]], table | {"WEIGHTS": "weights.pth"})


def test_hugging_face(namespace):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    inputs, targets = namespace["dataset"].tensors
    shape = {"image_size": 8, "patch_size": 4, "num_channels": 3}
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=2, **shape
    )
    images = inputs[:, :, None, None].repeat(1, 1, 8, 8)
    items = [{"pixel_values": image, "labels": label} for image, label in zip(images, targets, strict=True)]
    network = transformers.ViTForImageClassification(config)
    run(blocks("Hugging Face"), own := namespace | {"items": items, "network": network, "EPOCHS": 12, "RATE": 1e-2})
    assert finds_the_wrong_labels(own)


def test_a_loss_of_your_own(namespace, tmp_path):
    module, use = blocks("A loss of your own")
    # Python imports a module once in a process: each test has its own.
    name = f"losses_{tmp_path.name.replace('-', '_')}"
    Path(f"{name}.py").write_text(module, encoding="utf-8")
    run([module, use.replace("my_losses", name)], namespace)
    first, second = namespace["result"].flags, namespace["Welsch"]
    assert first.dtype == torch.bool
    assert second.name == namespace["result"].history.epochs[-1].phase == "welsch"


def test_every_link_within_the_page_leads_somewhere():
    titles = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)", TEXT, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= titles
