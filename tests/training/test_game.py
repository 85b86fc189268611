"""Two players: who is trained when, on what, and that a game stopped in its middle goes on to the same bits."""

import gc
from dataclasses import replace

import numpy as np
import pytest
from training.stopped_runs import Stopped

import tinygen as tg
from tinygen import nn
from tinygen.data import DataLoader, Dataset, Repeated, as_bytes, centred
from tinygen.models import MLP, DCGANCritic, DCGANGenerator
from tinygen.objectives import GAMES, NoisyLabels
from tinygen.optim import Adam, ExponentialMovingAverage
from tinygen.training import Players, Run, Snapshots, train

every_game = pytest.mark.parametrize("name", GAMES)


def players(name="wasserstein_gradient", *, n_critic=2, averaged=False):
    """A generator with batch normalisation, a critic without; points of the plane."""
    tg.manual_seed(0)
    generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    critic = MLP(2, hidden=(8,))
    optimizers = (Adam(player.parameters(), 0.01, betas=(0.5, 0.9)) for player in (generator, critic))
    average = ExponentialMovingAverage(generator, 0.9) if averaged else None
    return Players(replace(GAMES[name], n_critic=n_critic), generator, critic, 3, *optimizers, average)


def copy(module):
    return [parameter.data.copy() for parameter in module.parameters()]


def same(module, arrays):
    return [np.array_equal(p.data, array) for p, array in zip(module.parameters(), arrays, strict=True)]


@every_game
def test_a_round_is_n_critic_steps_of_the_critic_and_one_of_the_generator(name):
    pair = players(name, n_critic=3)
    for rounds in (1, 2):
        told = pair.round(tg.randn(12, 2))
        assert set(pair.critic_optimizer.steps) == {3 * rounds}
        assert set(pair.generator_optimizer.steps) == {rounds}
    watched = {"critic_loss", "score_gap", "generator_loss"}
    assert set(told) == watched | ({"penalty", "slope"} if GAMES[name].slope_penalty else set())
    assert all(isinstance(number, float) and np.isfinite(number) for number in told.values())


def test_each_player_is_changed_by_its_own_steps_alone():
    pair = players()
    pair.critic_optimizer.lr = 0.0
    critic, generator = copy(pair.critic), copy(pair.generator)
    pair.round(tg.randn(8, 2))
    assert all(same(pair.critic, critic))
    assert not any(same(pair.generator, generator)[-2:])
    pair = players()
    pair.generator_optimizer.lr = 0.0
    critic, generator = copy(pair.critic), copy(pair.generator)
    pair.round(tg.randn(8, 2))
    assert all(same(pair.generator, generator))
    assert not any(same(pair.critic, critic)[:-1])  # a constant added to all scores changes no Wasserstein loss


def test_the_generators_step_leaves_the_critic_without_gradients_of_it():
    pair = players()
    pair.round(tg.randn(8, 2))
    of_critic = [parameter.grad for parameter in pair.critic.parameters()]
    pair._generator_step(4)
    assert all(parameter.grad is before for parameter, before in zip(pair.critic.parameters(), of_critic, strict=True))
    assert all(parameter.requires_grad for parameter in pair.critic.parameters())


def test_a_frozen_module_asks_again_afterwards_also_after_an_error_but_for_what_did_not_before():
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


def test_what_is_told_is_of_the_batch_before_the_step():
    pair = players(n_critic=1)
    pair.generator_optimizer.lr = pair.critic_optimizer.lr = 0.0
    real = tg.randn(2000, 2)
    told = pair.round(real)
    with tg.no_grad():
        on_fake = pair.critic(pair.generator(pair.latents(2000))).numpy()
        on_real = pair.critic(real).numpy()
    spread = float(4 * np.sqrt((on_real.var() + 2 * on_fake.var()) / 2000))
    assert told["score_gap"] == pytest.approx(on_real.mean() - on_fake.mean(), abs=spread)
    assert told["generator_loss"] == pytest.approx(-on_fake.mean(), abs=spread)
    assert told["critic_loss"] == pytest.approx(10 * told["penalty"] - told["score_gap"], abs=1e-5)


@pytest.mark.parametrize("n", [0, 7])
def test_a_batch_without_equal_shares_is_refused(n):
    with pytest.raises(
        ValueError, match=rf"^round: real examples .* multiple of n_critic = 2, got float32 \({n}, 2\)$"
    ):
        players().round(tg.randn(n, 2))


def test_samples_are_the_averages_in_evaluation_mode_and_the_generator_stays_as_it_was():
    pair = players(averaged=True)
    for _ in range(3):
        pair.round(tg.randn(8, 2))
    own, z = copy(pair.generator), pair.latents(7)
    averaged, last = pair.generate(z, batch_size=3), pair.generate(z, averaged=False)
    assert averaged.shape == last.shape == (7, 2)
    assert np.abs(averaged - last).max() > 1e-4
    assert all(same(pair.generator, own))
    assert pair.generator.training
    with pair.average.applied(), pair.generator.evaluating():
        assert averaged == pytest.approx(pair.generator(z).numpy(), abs=1e-6)


def test_a_generator_learns_where_the_data_lie():
    """A shifted Gaussian: the mean of the samples comes to its mean."""
    pair = players(n_critic=5)
    for _ in range(150):
        pair.round(tg.randn(5 * 32, 2) * 0.5 + 2)
    assert pair.generate(pair.latents(2000)).mean(0) == pytest.approx([2.0, 2.0], abs=0.3)


def test_rounds_leave_the_collector_nothing():
    pair = players(averaged=True)
    pair.round(tg.randn(8, 2))
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            pair.round(tg.randn(8, 2))
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("stop_at", [1, 4])
def test_a_game_stopped_in_its_middle_ends_with_the_same_bits(tmp_path, stop_at):
    def play(out, stop=None, resume=False):
        pair = players(averaged=True)

        def step(_, index):
            if index == stop:
                raise Stopped
            return pair.round(tg.randn(8, 2))

        train(Run(out, resume=resume), range(3), step, epochs=2, parts=pair.parts, minutes=0.0)

    play(tmp_path / "whole")
    with pytest.raises(Stopped):
        play(tmp_path / "parts", stop=stop_at)
    play(tmp_path / "parts", resume=True)
    for name in ("checkpoint.h5", "metrics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("stop_at", [2, 5])
def test_a_dcgan_with_noisy_labels_stopped_in_its_middle_ends_with_the_same_bits(tmp_path, stop_at):
    """Both networks with their running means, both optimisers, the average, the pictures, the order of the images in
    the passes of a stretch, and chance, which draws latents and labels."""
    dataset = Dataset(np.random.default_rng(0).integers(0, 256, (6, 1, 64, 64), np.uint8))
    loader = Repeated(DataLoader(dataset, 2, shuffle=True, transform=centred), 4)

    def play(out, stop=None, resume=False):
        tg.manual_seed(0)
        generator, critic = DCGANGenerator(3, width=1), DCGANCritic(width=1)
        optimizers = (Adam(player.parameters(), 1e-3, betas=(0.5, 0.999)) for player in (generator, critic))
        game = replace(GAMES["non_saturating"], labels=NoisyLabels())
        pair = Players(game, generator, critic, 3, *optimizers, ExponentialMovingAverage(generator, 0.9))
        run, snapshots = Run(out, resume=resume), Snapshots()

        def step(batch, index):
            if index == stop:
                raise Stopped
            return pair.round(tg.tensor(batch[0]))

        def evaluate():
            snapshots[len(run.rows) + 1] = as_bytes(pair.generate(tg.ones(2, 3)))
            return {}

        parts = {**pair.parts, "snapshots": snapshots}
        train(run, loader, step, epochs=2, parts=parts, evaluate=evaluate, minutes=0.0)
        return snapshots

    whole = play(tmp_path / "whole")
    with pytest.raises(Stopped):
        play(tmp_path / "parts", stop=stop_at)
    parts = play(tmp_path / "parts", resume=True)
    for name in ("checkpoint.h5", "metrics.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    np.testing.assert_equal(dict(parts), dict(whole))
