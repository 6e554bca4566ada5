"""The door for Lightning, in the real Trainer: the training of the other doors, whatever habits it is used with."""

import importlib
import logging
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

lightning = pytest.importorskip("lightning")

from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint  # noqa: E402
from lightning.pytorch.loggers import CSVLogger  # noqa: E402

from deepgum.data.indexed import EpochSampler, IndexedDataset  # noqa: E402
from deepgum.data.regression import RegressionData  # noqa: E402
from deepgum.errors import InvalidDataError, MissingDependencyError  # noqa: E402
from deepgum.lightning import DeepGUMCallback  # noqa: E402
from deepgum.training import DeepGUMOptions, SGDOptions, fit_deepgum  # noqa: E402
from deepgum.training.tracker import ResponsibilityTracker  # noqa: E402

pytestmark = pytest.mark.usefixtures("gaussian_file")

N, BATCH, SEED, RATE = 140, 33, 5, 0.02
OPTIONS = DeepGUMOptions(schedule="interleaved", warmup_epochs=2)


def table(n, seed):
    """Two linear targets with a little noise, a quarter of them shifted, and which."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator)
    y = torch.stack([x[:, 0] + x[:, 1], x[:, 2] - x[:, 0]], dim=1) + 0.05 * torch.randn(n, 2, generator=generator)
    wrong = torch.rand(n, generator=generator) < 0.25
    y[wrong] += (6 * torch.rand(n, 2, generator=generator) - 3)[wrong]
    return RegressionData.from_arrays(x, y), wrong


TRAIN, WRONG = table(N, seed=0)
HELD_OUT, _ = table(50, seed=1)


def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 2))


def new_tracker():
    return ResponsibilityTracker(N, options=OPTIONS, targets=TRAIN.targets)


class Module(lightning.LightningModule):
    def __init__(self, tracker, rate=RATE):
        super().__init__()
        self.network, self.tracker, self.rate = network(), tracker, rate

    def training_step(self, batch, _):
        x, y, index = batch
        return self.tracker.loss(self.network(x), y, index)

    def validation_step(self, batch, _):
        x, y = batch
        return {"residuals": y - self.network(x)}

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.rate)


def training_loader(sampler=None, **arguments):
    dataset = IndexedDataset(TensorDataset(TRAIN.inputs, TRAIN.targets))
    return DataLoader(dataset, BATCH, sampler=sampler or EpochSampler(N, SEED, batch_size=BATCH), **arguments)


HELD_OUT_LOADER = DataLoader(TensorDataset(HELD_OUT.inputs, HELD_OUT.targets), 16)


@pytest.fixture(autouse=True)
def quiet():
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def fit(
    module, *, epochs=5, callbacks=(), train=None, validation=HELD_OUT_LOADER, resume=None, sampler=None, **arguments
):
    """Train quietly, and return the Trainer."""
    arguments = {"logger": False, "enable_checkpointing": False, "accelerator": "cpu", "devices": 1, **arguments}
    if any(isinstance(callback, ModelCheckpoint) for callback in callbacks):
        arguments["enable_checkpointing"] = True
    callbacks = [*callbacks, DeepGUMCallback(module.tracker, sampler=sampler)]
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=callbacks, enable_progress_bar=False, enable_model_summary=False, **arguments
    )
    # Nothing is unpickled, which shows that the checkpoint holds plain values and tensors only.
    again = {} if resume is None else {"ckpt_path": resume, "weights_only": True}
    trainer.fit(module, train or training_loader(sampler), validation, **again)
    return trainer


class Scores(Callback):
    """Return the values that can be monitored at the end of every validation."""

    def __init__(self):
        self.of_epoch = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.of_epoch.append(trainer.callback_metrics["held_out_score"].item())


@torch.no_grad()
def predictions(module, data=TRAIN):
    return module.network(data.inputs)


@torch.no_grad()
def final_posteriors(tracker, module):
    for x, y, index in DataLoader(training_loader().dataset, 64):
        tracker.record(index, y - module.network(x))
    tracker.update()
    return tracker.responsibilities


def same(one, other):
    """Whether two states are equal to the last bit, NaN to NaN."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one.nan_to_num(nan=-7e7), other.nan_to_num(nan=-7e7))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.fixture(scope="module")
def reference():
    """The same training by `fit_deepgum`, to its last epoch and to its best."""
    sgd = SGDOptions(learning_rate=RATE, batch_size=BATCH, epochs_max=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            returned: fit_deepgum(
                network(),
                TRAIN,
                HELD_OUT,
                options=DeepGUMOptions(schedule="interleaved", warmup_epochs=2, returned_round=returned),
                sgd=sgd,
                seed=SEED,
            )
            for returned in ("last", "best")
        }


def test_it_is_the_training_of_fit_deepgum(reference, tmp_path):
    scores, best = Scores(), ModelCheckpoint(tmp_path, "best", monitor="held_out_score")
    module = Module(new_tracker())
    fit(module, callbacks=[scores, best])
    expected = reference["last"]
    torch.testing.assert_close(predictions(module), expected.model(TRAIN.inputs), rtol=0, atol=1e-6)
    torch.testing.assert_close(final_posteriors(module.tracker, module), expected.responsibilities, rtol=0, atol=1e-6)
    of_epochs = torch.tensor([record.validation_score for record in expected.history.epochs])
    torch.testing.assert_close(torch.tensor(scores.of_epoch), of_epochs, rtol=0, atol=1e-6)
    # Monitoring the score keeps the weights that `fit_deepgum` returns.
    module.load_state_dict(torch.load(best.best_model_path, weights_only=True)["state_dict"])
    torch.testing.assert_close(predictions(module), reference["best"].model(TRAIN.inputs), rtol=0, atol=1e-6)
    assert best.best_model_score.item() == min(scores.of_epoch)


def test_a_plain_loop_is_the_same_training_too(reference):
    module, tracker = Module(None), new_tracker()
    optimizer, loader = module.configure_optimizers(), training_loader()
    for _ in range(5):
        for x, y, index in loader:
            loss = tracker.loss(module.network(x), y, index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        tracker.update()
    expected = reference["last"]
    torch.testing.assert_close(predictions(module), expected.model(TRAIN.inputs), rtol=0, atol=1e-6)
    torch.testing.assert_close(final_posteriors(tracker, module), expected.responsibilities, rtol=0, atol=1e-6)


@pytest.mark.parametrize("workers", [0, 2])
def test_residuals_stay_with_their_samples(workers):
    # Nothing is learned, so each residual must be what the sample's own index says.
    module = Module(new_tracker(), rate=0.0)
    dataset = training_loader().dataset
    fit(module, epochs=2, train=DataLoader(dataset, BATCH, shuffle=True, num_workers=workers))
    torch.testing.assert_close(module.tracker.residuals, TRAIN.targets - predictions(module), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("after_validation", "workers"), [(False, 0), (True, 0), (False, 1)])
def test_a_training_that_is_resumed_ends_as_one_that_was_not(after_validation, workers, tmp_path):
    # What is saved after validation is saved before the epoch's EM.
    keep = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, save_on_train_epoch_end=not after_validation)
    sampler = EpochSampler(N, SEED)
    whole = Module(new_tracker())
    fit(whole, callbacks=[keep], train=training_loader(sampler, num_workers=workers), sampler=sampler)
    sampler, module = EpochSampler(N, SEED), Module(new_tracker())
    train = training_loader(sampler, num_workers=workers)
    fit(module, resume=tmp_path / "epoch=2.ckpt", train=train, sampler=sampler)
    assert same(dict(module.state_dict()), dict(whole.state_dict()))
    assert same(module.tracker.state_dict(), whole.tracker.state_dict())
    assert torch.equal(module.tracker.responsibilities, whole.tracker.responsibilities)


def test_what_was_seen_before_a_checkpoint_within_an_epoch_counts_after_it(tmp_path):
    keep = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=3)
    fit(Module(new_tracker()), epochs=1, callbacks=[keep])
    module = Module(new_tracker())
    fit(module, epochs=1, resume=tmp_path / "step=3.ckpt")
    # Lightning begins the loader anew, and ends the epoch when it has had as many batches as there are.
    seen = ~module.tracker.residuals.isnan().any(dim=1)
    assert sorted(list(EpochSampler(N, SEED))[: 3 * BATCH]) == seen.nonzero().flatten().tolist()


def test_a_checkpoint_of_another_data_set_is_refused(tmp_path):
    module = Module(new_tracker())
    trainer = fit(module, epochs=1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    other = Module(ResponsibilityTracker(N + 1, options=OPTIONS))
    with pytest.raises(InvalidDataError, match=f"n_samples = {N} there and {N + 1} here"):
        fit(other, resume=tmp_path / "one.ckpt")


def test_accumulated_gradients_change_the_steps_and_nothing_else():
    module = Module(new_tracker())
    fit(module, epochs=4, accumulate_grad_batches=2)
    loop, tracker = Module(None), new_tracker()
    optimizer, loader = loop.configure_optimizers(), training_loader()
    for _ in range(4):
        for number, (x, y, index) in enumerate(loader, start=1):
            (tracker.loss(loop.network(x), y, index) / 2).backward()
            if number % 2 == 0 or number == len(loader):
                optimizer.step()
                optimizer.zero_grad()
        tracker.update()
    torch.testing.assert_close(predictions(module), predictions(loop), rtol=0, atol=1e-6)
    torch.testing.assert_close(module.tracker.responsibilities, tracker.responsibilities, rtol=0, atol=1e-6)


def test_mixed_precision_keeps_residuals_of_full_precision():
    module = Module(new_tracker(), rate=0.0)
    fit(module, epochs=1, precision="bf16-mixed")
    residuals, exact = module.tracker.residuals, TRAIN.targets - predictions(module)
    assert residuals.dtype == torch.float32
    # Predictions of about 1 in 8 bits; the targets, of up to 5, are not rounded.
    torch.testing.assert_close(residuals, exact, rtol=0, atol=0.01)
    assert not torch.equal(residuals, exact)


def test_mixed_precision_finds_the_wrong_labels():
    module = Module(new_tracker(), rate=0.05)
    fit(module, epochs=15, precision="bf16-mixed")
    flags = module.tracker.flags[:, 0]
    assert (flags & WRONG).sum() > 0.85 * WRONG.sum()
    assert (flags & ~WRONG).sum() < 0.1 * (~WRONG).sum()


def test_early_stopping_stops_by_the_score():
    scores = Scores()
    # What is not better by 1000 counts as no better: the first epoch is, the next two are not.
    stop = EarlyStopping("held_out_score", min_delta=1000.0, patience=2)
    trainer = fit(Module(new_tracker()), epochs=20, callbacks=[scores, stop])
    assert len(scores.of_epoch) == trainer.current_epoch == 3
    assert stop.best_score.item() == scores.of_epoch[0]


def test_what_the_mixture_found_is_logged_once_there_is_one(tmp_path):
    module = Module(new_tracker())
    fit(module, epochs=4, logger=CSVLogger(tmp_path, version=0), log_every_n_steps=1)
    lines = (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text().splitlines()
    names, *rows = [line.split(",") for line in lines]
    table = [dict(zip(names, row, strict=True)) for row in rows]
    mixture = module.tracker.mixture
    for name, expected in (
        ("inlier_prior", mixture.inlier_prior_.mean().item()),
        ("flagged_share", (mixture.responsibilities(module.tracker.residuals) < 0.5).float().mean().item()),
    ):
        logged = {int(row["epoch"]): float(row[name]) for row in table if row[name]}
        # Two epochs of warm-up, at whose end the first mixture is fitted.
        assert sorted(logged) == [1, 2, 3]
        assert logged[3] == pytest.approx(expected, rel=1e-6)
    assert len([row for row in table if row["held_out_score"]]) == 4


def test_it_can_be_monitored_by_what_looks_at_the_epochs_end(tmp_path):
    best = ModelCheckpoint(tmp_path, monitor="inlier_prior", save_on_train_epoch_end=True)
    module = Module(ResponsibilityTracker(N, options=DeepGUMOptions(schedule="interleaved", warmup_epochs=1)))
    fit(module, epochs=2, callbacks=[best], validation=None)
    assert 0.2 < best.best_model_score < 1


def test_the_sanity_check_counts_for_nothing():
    first, second = Scores(), Scores()
    checked, unchecked = Module(new_tracker()), Module(new_tracker())
    fit(checked, epochs=2, callbacks=[first], num_sanity_val_steps=2)
    fit(unchecked, epochs=2, callbacks=[second], num_sanity_val_steps=0)
    assert first.of_epoch == second.of_epoch
    assert len(first.of_epoch) == 2
    assert same(checked.tracker.state_dict(), unchecked.tracker.state_dict())


def test_a_sanity_check_of_fewer_samples_than_a_mixture_needs_is_none_of_its_business():
    one_by_one = DataLoader(HELD_OUT_LOADER.dataset, 1)
    fit(Module(new_tracker()), epochs=1, validation=one_by_one, num_sanity_val_steps=1)


def test_a_validation_that_was_broken_off_does_not_count_in_the_next_one():
    class Stumbling(Module):
        stumbles = True

        def validation_step(self, batch, number):
            if self.stumbles and number == 2:
                raise KeyError("validation")
            return super().validation_step(batch, number)

    module, scores = Stumbling(new_tracker()), Scores()
    watching = [DeepGUMCallback(module.tracker), scores]
    quietly = {
        name: False for name in ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    }
    for _ in range(2):
        trainer = lightning.Trainer(max_epochs=1, callbacks=watching, accelerator="cpu", devices=1, **quietly)
        if module.stumbles:
            with pytest.raises(KeyError, match="validation"):
                trainer.validate(module, HELD_OUT_LOADER)
        else:
            trainer.validate(module, HELD_OUT_LOADER)
        module.stumbles = False
    expected = module.tracker.score(HELD_OUT.targets - predictions(module, HELD_OUT))
    assert scores.of_epoch == pytest.approx([expected], rel=1e-6)


def test_of_a_limited_epoch_only_what_was_seen_is_known():
    module = Module(new_tracker())
    fit(module, epochs=1, limit_train_batches=2)
    seen = ~module.tracker.residuals.isnan().any(dim=1)
    first = list(EpochSampler(N, SEED))[: 2 * BATCH]
    assert sorted(first) == seen.nonzero().flatten().tolist()


def test_without_residuals_no_score_is_logged():
    class Silent(Module):
        def validation_step(self, batch, _):
            return None

    trainer = fit(Silent(new_tracker()), epochs=3)
    assert set(trainer.callback_metrics) == {"inlier_prior", "flagged_share"}


def test_batches_without_indices_are_refused_with_the_remedy():
    bare = DataLoader(TensorDataset(TRAIN.inputs, TRAIN.targets), BATCH)
    with pytest.raises(InvalidDataError, match=r"IndexedDataset\(dataset\)"):
        fit(Module(new_tracker()), train=bare)
    named = DataLoader([{"x": x, "id": str(i)} for i, x in enumerate(TRAIN.inputs)], BATCH)
    with pytest.raises(InvalidDataError, match=r"IndexedDataset\(dataset\)"):
        fit(Module(new_tracker()), train=named)


def test_the_batch_number_is_no_index():
    class Mistaken(Module):
        def training_step(self, batch, number):
            return self.tracker.loss(self.network(batch[0]), batch[1], number)

    with pytest.raises(InvalidDataError, match="IndexedDataset"):
        fit(Mistaken(new_tracker()))


def test_a_training_step_that_never_calls_the_loss_is_told_to():
    class Own(Module):
        def training_step(self, batch, _):
            return nn.functional.mse_loss(self.network(batch[0]), batch[1])

    with pytest.raises(InvalidDataError, match=r"should return `tracker.loss\(predictions, targets, index\)`"):
        fit(Own(new_tracker()))


class AtTheEnd(Callback):
    """Keeps what each process knows, for the one that started them."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_end(self, trainer, pl_module):
        tracker, metrics = pl_module.tracker, trainer.callback_metrics
        known = {"index": tracker.index, "residuals": tracker.residuals, "r": tracker.responsibilities}
        known |= {name: metrics[name] for name in ("held_out_score", "inlier_prior", "flagged_share")}
        torch.save(known, self.folder / f"{trainer.global_rank}.pt")


def test_two_processes_know_together_what_one_knows(tmp_path):
    # Nothing is learned, so that both see the same residuals; and all the counts are even, so none is seen twice.
    alone, together = Module(new_tracker(), rate=0.0), Module(new_tracker(), rate=0.0)
    trainer = fit(alone, epochs=3)
    keep = ModelCheckpoint(tmp_path, "last")
    shared = [AtTheEnd(tmp_path), keep]
    fit(together, epochs=3, callbacks=shared, devices=2, strategy="ddp_fork")
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    index = torch.cat([part["index"] for part in parts])
    assert sorted(index.tolist()) == list(range(N))
    for name, expected in (("residuals", alone.tracker.residuals), ("r", alone.tracker.responsibilities)):
        found = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(found, expected[index], rtol=0, atol=1e-6)
    for name in ("held_out_score", "inlier_prior", "flagged_share"):
        for part in parts:
            torch.testing.assert_close(part[name], trainer.callback_metrics[name], rtol=0, atol=1e-6)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]["DeepGUMCallback"]
    assert same(state["parts"]["residuals"], [part["residuals"] for part in parts])
    with pytest.raises(InvalidDataError, match="world_size = 2 there and 1 here"):
        fit(Module(new_tracker()), resume=tmp_path / "last.ckpt")


def without(monkeypatch, *packages):
    """Import the door anew, with some packages missing."""
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "deepgum.lightning")
    return importlib.import_module("deepgum.lightning")


def test_without_lightning_it_says_what_to_install(monkeypatch):
    with pytest.raises(MissingDependencyError, match=r'pip install "deepgum\[lightning\]"') as raised:
        without(monkeypatch, "lightning.pytorch", "pytorch_lightning")
    assert isinstance(raised.value, ImportError)


def test_the_older_package_will_do(monkeypatch):
    older = pytest.importorskip("pytorch_lightning")
    assert issubclass(without(monkeypatch, "lightning.pytorch").DeepGUMCallback, older.Callback)


def test_the_library_itself_does_not_import_it():
    code = "import sys, deepgum.training; sys.exit('lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
