"""GANs: which network a step trains, on which data, and that an interrupted training resumes to the same bits."""

import gc
from dataclasses import replace

import numpy as np
import pytest
from training.stopped_runs import Stopped

import tinygen as tg
from tinygen import nn
from tinygen.data import DataLoader, Dataset, FixedSteps, as_bytes, to_tanh_range
from tinygen.models import MLP, DCGANCritic, DCGANGenerator
from tinygen.objectives import GAMES, NoisyLabels
from tinygen.optim import Adam, ExponentialMovingAverage
from tinygen.training import GAN, Run, Snapshots, train

every_game = pytest.mark.parametrize("name", GAMES)


def make_gan(name="wasserstein_gradient", *, n_critic=2, averaged=False):
    """A generator with batch normalisation, a critic without; points of the plane."""
    tg.manual_seed(0)
    generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    critic = MLP(2, hidden=(8,))
    optimizers = (Adam(network.parameters(), 0.01, betas=(0.5, 0.9)) for network in (generator, critic))
    average = ExponentialMovingAverage(generator, 0.9) if averaged else None
    return GAN(replace(GAMES[name], n_critic=n_critic), generator, critic, 3, *optimizers, average)


def copy(module):
    return [parameter.data.copy() for parameter in module.parameters()]


def same(module, arrays):
    return [np.array_equal(p.data, array) for p, array in zip(module.parameters(), arrays, strict=True)]


@every_game
def test_a_training_step_is_n_critic_steps_of_the_critic_and_one_of_the_generator(name):
    gan = make_gan(name, n_critic=3)
    for steps in (1, 2):
        metrics = gan.train_step(tg.randn(12, 2))
        assert set(gan.critic_optimizer.steps) == {3 * steps}
        assert set(gan.generator_optimizer.steps) == {steps}
    watched = {"critic_loss", "score_gap", "generator_loss"}
    assert set(metrics) == watched | ({"penalty", "gradient_norm"} if GAMES[name].norm_penalty else set())
    assert all(isinstance(number, float) and np.isfinite(number) for number in metrics.values())


def test_each_network_is_changed_by_its_own_steps_alone():
    gan = make_gan()
    gan.critic_optimizer.lr = 0.0
    critic, generator = copy(gan.critic), copy(gan.generator)
    gan.train_step(tg.randn(8, 2))
    assert all(same(gan.critic, critic))
    assert not any(same(gan.generator, generator)[-2:])
    gan = make_gan()
    gan.generator_optimizer.lr = 0.0
    critic, generator = copy(gan.critic), copy(gan.generator)
    gan.train_step(tg.randn(8, 2))
    assert all(same(gan.generator, generator))
    assert not any(same(gan.critic, critic)[:-1])  # a constant added to all scores changes no Wasserstein loss


def test_the_generators_step_leaves_the_critic_without_gradients_of_it():
    gan = make_gan()
    gan.train_step(tg.randn(8, 2))
    of_critic = [parameter.grad for parameter in gan.critic.parameters()]
    gan.generator_step(4)
    assert all(parameter.grad is before for parameter, before in zip(gan.critic.parameters(), of_critic, strict=True))
    assert all(parameter.requires_grad for parameter in gan.critic.parameters())


def test_a_frozen_module_requires_gradients_again_afterwards_also_after_an_error_except_what_did_not_before():
    module = MLP(2, hidden=(3,))
    first, *others = module.parameters()
    first.requires_grad = False

    def fail():
        with module.frozen():
            assert not any(parameter.requires_grad for parameter in module.parameters())
            raise Stopped

    with pytest.raises(Stopped):
        fail()
    assert not first.requires_grad
    assert all(parameter.requires_grad for parameter in others)


def test_metrics_are_those_of_the_batch_before_the_step():
    gan = make_gan(n_critic=1)
    gan.generator_optimizer.lr = gan.critic_optimizer.lr = 0.0
    real = tg.randn(2000, 2)
    metrics = gan.train_step(real)
    with tg.no_grad():
        on_fake = gan.critic(gan.generator(gan.latents(2000))).numpy()
        on_real = gan.critic(real).numpy()
    tolerance = float(4 * np.sqrt((on_real.var() + 2 * on_fake.var()) / 2000))
    assert metrics["score_gap"] == pytest.approx(on_real.mean() - on_fake.mean(), abs=tolerance)
    assert metrics["generator_loss"] == pytest.approx(-on_fake.mean(), abs=tolerance)
    assert metrics["critic_loss"] == pytest.approx(10 * metrics["penalty"] - metrics["score_gap"], abs=1e-5)


@pytest.mark.parametrize("n", [0, 7])
def test_a_batch_that_cannot_be_split_equally_is_refused(n):
    with pytest.raises(
        ValueError, match=rf"^train_step: real examples .* multiple of n_critic = 2, got float32 \({n}, 2\)$"
    ):
        make_gan().train_step(tg.randn(n, 2))


def test_samples_are_those_of_the_averaged_weights_in_evaluation_mode_and_the_generator_keeps_its_own():
    gan = make_gan(averaged=True)
    for _ in range(3):
        gan.train_step(tg.randn(8, 2))
    own, z = copy(gan.generator), gan.latents(7)
    averaged, last = gan.generate(z, batch_size=3), gan.generate(z, averaged=False)
    assert averaged.shape == last.shape == (7, 2)
    assert np.abs(averaged - last).max() > 1e-4
    assert all(same(gan.generator, own))
    assert gan.generator.training
    with gan.average.applied(), gan.generator.evaluating():
        assert averaged == pytest.approx(gan.generator(z).numpy(), abs=1e-6)


def test_a_generator_learns_the_mean_of_the_data():
    """A shifted Gaussian: the mean of the samples approaches its mean."""
    gan = make_gan(n_critic=5)
    for _ in range(150):
        gan.train_step(tg.randn(5 * 32, 2) * 0.5 + 2)
    assert gan.generate(gan.latents(2000)).mean(0) == pytest.approx([2.0, 2.0], abs=0.3)


def test_training_steps_leave_no_reference_cycles():
    gan = make_gan(averaged=True)
    gan.train_step(tg.randn(8, 2))
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            gan.train_step(tg.randn(8, 2))
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("stop_at", [1, 4])
def test_an_interrupted_gan_ends_with_the_same_bits(tmp_path, stop_at):
    def fit(out, stop=None, resume=False):
        gan = make_gan(averaged=True)

        def step(_, index):
            if index == stop:
                raise Stopped
            return gan.train_step(tg.randn(8, 2))

        train(Run(out, resume=resume), range(3), step, epochs=2, parts=gan.parts, minutes=0.0)

    fit(tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(tmp_path / "parts", stop=stop_at)
    fit(tmp_path / "parts", resume=True)
    for name in ("checkpoint.h5", "metrics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("stop_at", [2, 5])
def test_an_interrupted_dcgan_with_noisy_labels_ends_with_the_same_bits(tmp_path, stop_at):
    """Both networks with their running means, both optimisers, the average, the snapshots, the order of the images over
    several passes, and the random numbers, of which latents and labels are drawn."""
    dataset = Dataset(np.random.default_rng(0).integers(0, 256, (6, 1, 64, 64), np.uint8))
    loader = FixedSteps(DataLoader(dataset, 2, shuffle=True, transform=to_tanh_range), 4)

    def fit(out, stop=None, resume=False):
        tg.manual_seed(0)
        generator, critic = DCGANGenerator(3, width=1), DCGANCritic(width=1)
        optimizers = (Adam(network.parameters(), 1e-3, betas=(0.5, 0.999)) for network in (generator, critic))
        game = replace(GAMES["non_saturating"], labels=NoisyLabels())
        gan = GAN(game, generator, critic, 3, *optimizers, ExponentialMovingAverage(generator, 0.9))
        run, snapshots = Run(out, resume=resume), Snapshots()

        def step(batch, index):
            if index == stop:
                raise Stopped
            return gan.train_step(tg.tensor(batch[0]))

        def evaluate():
            snapshots[len(run.rows) + 1] = as_bytes(gan.generate(tg.ones(2, 3)))
            return {}

        parts = {**gan.parts, "snapshots": snapshots}
        train(run, loader, step, epochs=2, parts=parts, evaluate=evaluate, minutes=0.0)
        return snapshots

    whole = fit(tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(tmp_path / "parts", stop=stop_at)
    parts = fit(tmp_path / "parts", resume=True)
    for name in ("checkpoint.h5", "metrics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    np.testing.assert_equal(dict(parts), dict(whole))


def test_an_optimiser_or_average_of_another_network_is_refused():
    generator, critic = MLP(3, 2), MLP(2)
    own = Adam(generator.parameters()), Adam(critic.parameters())
    game = GAMES["non_saturating"]
    both = Adam([*generator.parameters(), *critic.parameters()])
    for optimizers in (own[::-1], (both, own[1]), (own[0], both)):
        with pytest.raises(ValueError, match=r"GAN: (generator|critic)_optimizer must have parameters of the MLP only"):
            GAN(game, generator, critic, 3, *optimizers)
    with pytest.raises(ValueError, match="GAN: average must be the moving average of the generator"):
        GAN(game, generator, critic, 3, *own, ExponentialMovingAverage(critic))
