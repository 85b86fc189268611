"""Training a VAE: the loss, its metrics, the schedule, the weight of the KL, and a resume."""

import numpy as np
import pytest
from toy_vae import GaussianVAE, ToyVAE

import tinygen as tg
from tinygen import evaluation
from tinygen.data import DataLoader, Dataset
from tinygen.optim import SGD, Adam, ExponentialMovingAverage
from tinygen.training import Run, train_vae


@pytest.fixture
def images():
    """Images (40, 1, 2, 3) of two kinds, with noise."""
    rng = np.random.default_rng(0)
    kinds = np.array([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0]])[rng.integers(0, 2, 40)]
    return (kinds ^ (rng.random((40, 6)) < 0.05)).reshape(40, 1, 2, 3).astype("uint8")


def trained(images, run=None, model=None, optimizer=Adam, epochs=3, lr=0.05, **options):
    tg.manual_seed(0)
    model = model or ToyVAE(latent_size=2)
    loader = DataLoader(Dataset(images), 8, shuffle=True)
    rows = train_vae(run, model, loader, optimizer(model.parameters(), lr=lr), epochs=epochs, **options)
    return model, rows


@pytest.mark.parametrize("path_gradient", [False, True])
def test_it_equals_an_explicit_loop(images, path_gradient, seeded):
    model, rows = trained(images, path_gradient=path_gradient)
    tg.manual_seed(0)
    other = ToyVAE(latent_size=2)
    optimizer, losses = Adam(other.parameters(), lr=0.05), []
    for _ in range(3):
        for batch, _ in DataLoader(Dataset(images), 8, shuffle=True):
            log_likelihood, kl = other.elbo_terms(tg.tensor(batch, dtype="float32"), path_gradient=path_gradient)
            loss = tg.mean(kl - log_likelihood)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append((-loss.item(), kl.numpy().mean()))
    np.testing.assert_equal(model.state_dict(), other.state_dict())
    means = np.array(losses).reshape(3, 5, 2).mean(axis=1)
    np.testing.assert_allclose([[row["train_elbo"], row["train_kl"]] for row in rows], means, rtol=1e-6)


@pytest.mark.parametrize("path_gradient", [False, True])
def test_with_a_number_of_samples_it_maximises_their_bound(images, path_gradient, seeded):
    model, rows = trained(images, num_samples=4, path_gradient=path_gradient)
    tg.manual_seed(0)
    other = ToyVAE(latent_size=2)
    optimizer, bounds = Adam(other.parameters(), lr=0.05), []
    for _ in range(3):
        for batch, _ in DataLoader(Dataset(images), 8, shuffle=True):
            loss = -tg.mean(other.iwae(tg.tensor(batch, dtype="float32"), 4, path_gradient=path_gradient))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bounds.append(-loss.item())
    np.testing.assert_equal(model.state_dict(), other.state_dict())
    np.testing.assert_allclose([row["train_iwae"] for row in rows], np.reshape(bounds, (3, 5)).mean(axis=1), rtol=1e-6)
    with pytest.raises(ValueError, match="train_vae: kl_weight must be 1 where num_samples is given, got 2"):
        trained(images, num_samples=4, kl_weight=2.0)


def test_training_raises_the_bound_on_other_images(images, seeded):
    model, rows = trained(images[:32], epochs=20)
    untrained, _ = trained(images[:32], epochs=1, lr=1e-9)
    assert rows[-1]["train_elbo"] > rows[0]["train_elbo"] + 0.5
    assert evaluation.elbo(model, images[32:]) > evaluation.elbo(untrained, images[32:]) + 0.5


def test_the_schedule_sets_the_rate_of_each_step_and_evaluate_adds_metrics(images, seeded):
    steps = []

    def schedule(step):
        steps.append(step)
        return 0.0 if step >= 5 else 0.1

    after_one, _ = trained(images, optimizer=SGD, epochs=1, learning_rate=schedule)
    steps.clear()
    model, rows = trained(images, optimizer=SGD, learning_rate=schedule, evaluate=lambda: {"steps": len(steps)})
    assert steps == list(range(15))
    assert [row["steps"] for row in rows] == [5, 10, 15]
    np.testing.assert_equal(model.state_dict(), after_one.state_dict())  # from step 5 on the rate was 0


def test_a_weight_above_1_makes_the_kl_smaller_and_the_metrics_stay_those_of_the_elbo(images, seeded):
    kls = {}
    for weight in (0.1, 1.0, 10.0):
        model, rows = trained(images, epochs=15, kl_weight=weight)
        kls[weight] = rows[-1]["train_kl"]
        many = [evaluation.elbo(model, images) for _ in range(30)]
        assert rows[-1]["train_elbo"] == pytest.approx(np.mean(many), abs=0.3)
    assert kls[10.0] < 0.1 < kls[1.0] < kls[0.1]


def test_the_gradient_of_the_weighted_loss_is_the_sum_of_its_parts(images, seeded):
    """One step of SGD with weight 3: that of weight 1, and twice that of the KL alone."""
    moved = {}
    for weight in (1.0, 2.0, 3.0):
        model, _ = trained(images[:8], optimizer=SGD, lr=1e-2, epochs=1, kl_weight=weight)
        moved[weight] = model.encoder[2].weight.numpy()
    np.testing.assert_allclose(moved[3.0] - moved[1.0], 2 * (moved[2.0] - moved[1.0]), rtol=1e-2, atol=1e-6)
    assert abs(moved[2.0] - moved[1.0]).max() > 1e-5


def test_a_resumed_run_ends_with_the_same_bits(tmp_path, images, seeded):
    whole, _ = trained(images, Run(tmp_path / "whole"))
    trained(images, Run(tmp_path / "parts"), epochs=1)
    resumed, rows = trained(images, Run(tmp_path / "parts", resume=True))
    assert len(rows) == 3
    np.testing.assert_equal(resumed.state_dict(), whole.state_dict())
    kept, expected = ((tmp_path / name / "metrics.csv").read_bytes() for name in ("parts", "whole"))
    assert kept == expected


def test_another_likelihood_trains_on_the_same_loop(seeded):
    greys = np.random.default_rng(0).normal(size=(16, 1, 2, 3)).astype("float32")
    model, rows = trained(greys, model=GaussianVAE(), epochs=5)
    assert rows[-1]["train_elbo"] > rows[0]["train_elbo"]
    assert np.isfinite(evaluation.elbo(model, greys))


def test_an_optimiser_or_average_of_another_model_is_refused():
    model, other = ToyVAE(), ToyVAE()
    loader = DataLoader(Dataset(np.zeros((2, 1, 2, 2), bool)), 2)
    with pytest.raises(ValueError, match="train_vae: optimizer must have parameters of the ToyVAE only"):
        train_vae(None, model, loader, Adam(other.parameters()), epochs=1)
    average = ExponentialMovingAverage(other)
    with pytest.raises(ValueError, match="train_vae: average must be the moving average of the model"):
        train_vae(None, model, loader, Adam(model.parameters()), epochs=1, average=average)
