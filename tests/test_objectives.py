"""The two tables: every row of f-divergences against closed forms and quadrature, every game against its equation; the
penalties where they are known exactly."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special, stats

import tinygen as tg
from tinygen import nn
from tinygen.objectives import (
    F_DIVERGENCES,
    GAMES,
    NoisyLabels,
    gradient_norms,
    gradient_penalty,
    interpolates,
    lipschitz_penalty,
)

every_divergence = pytest.mark.parametrize("row", F_DIVERGENCES.values(), ids=F_DIVERGENCES)
every_game = pytest.mark.parametrize("name", GAMES)


pytestmark = pytest.mark.usefixtures("seeded")


# The f-divergences ---------------------------------------------------------------------------------------------------

GAUSSIANS = (stats.norm(0.5, 1.0), stats.norm(-0.2, 1.3))  # p and q; 2 sigma_q^2 > sigma_p^2, as Pearson's needs


def kl(p, q):
    """KL of two Gaussians of SciPy."""
    ratio = p.var() / q.var()
    return 0.5 * (ratio - 1 - math.log(ratio) + (p.mean() - q.mean()) ** 2 / q.var())


def closed_form(name):
    p, q = GAUSSIANS
    s, t, d = p.std(), q.std(), p.mean() - q.mean()
    if name == "kullback_leibler":
        return kl(p, q)
    if name == "reverse_kullback_leibler":
        return kl(q, p)
    if name == "pearson":  # the integral of p^2 / q, less 1
        return t**2 / (s * math.sqrt(2 * t**2 - s**2)) * math.exp(d**2 / (2 * t**2 - s**2)) - 1
    if name == "squared_hellinger":
        return 2 - 2 * math.sqrt(2 * s * t / (s**2 + t**2)) * math.exp(-(d**2) / (4 * (s**2 + t**2)))
    x = np.linspace(-12, 12, 20_001)
    middle = (p.pdf(x) + q.pdf(x)) / 2
    return integrate.simpson(special.rel_entr(p.pdf(x), middle) + special.rel_entr(q.pdf(x), middle), x=x) / 2


def on_a_line():
    """Points x, the densities of p and q there, and log p / q."""
    p, q = GAUSSIANS
    x = np.linspace(-12, 12, 20_001)
    return x, p.pdf(x), q.pdf(x), tg.tensor(p.logpdf(x) - q.logpdf(x))


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_f_gives_the_divergence_of_gaussians(name):
    x, _, q, log_ratio = on_a_line()
    found = integrate.simpson(q * F_DIVERGENCES[name].f(tg.exp(log_ratio)).numpy(), x=x)
    assert found == pytest.approx(closed_form(name), abs=1e-9)


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_the_bound_is_tight_at_the_optimum_and_below_beside_it(name):
    row, (x, p, q, log_ratio) = F_DIVERGENCES[name], on_a_line()

    def bound(v):
        on_p, on_q = row.activation(v).numpy(), row.conjugate_of_activation(v).numpy()
        return integrate.simpson(p * on_p - q * on_q, x=x)

    best = row.optimal_output(log_ratio)
    assert bound(best) == pytest.approx(closed_form(name), abs=1e-9)
    for other in (best * 0.9, best + 0.1, best + 0.1 * tg.sin(tg.tensor(x))):
        assert bound(other) < closed_form(name) - 1e-5


@every_divergence
def test_the_conjugate_is_the_largest_u_t_less_f_of_u(row):
    v = tg.linspace(-1.5, 0.9, 9, dtype="float64")
    t = row.activation(v)
    u = tg.exp(tg.linspace(-12, 12, 200_001, dtype="float64"))
    largest = [float((u * each - row.f(u)).numpy().max()) for each in t.numpy()]
    assert row.conjugate(t).numpy() == pytest.approx(largest, abs=1e-6)
    assert row.conjugate_of_activation(v).numpy() == pytest.approx(largest, abs=1e-6)


@every_divergence
def test_the_optimum_is_where_the_activation_is_the_slope_of_f(row):
    u = tg.tensor(np.array([0.2, 0.7, 1.0, 3.0]), requires_grad=True)
    (slope,) = tg.grad(row.f(u).sum(), u)
    assert row.activation(row.optimal_output(tg.log(u))).numpy() == pytest.approx(slope.numpy(), abs=1e-12)


@every_divergence
def test_equal_outputs_at_the_optimum_of_equal_distributions_give_0(row):
    v = row.optimal_output(tg.zeros(7, 1))
    assert row.bound(v, v).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", ["jensen_shannon", "squared_hellinger"])
def test_a_sure_network_reaches_the_bound_of_disjoint_distributions_in_float32(name):
    v = tg.full((5, 1), 60.0, requires_grad=True)
    bound = F_DIVERGENCES[name].bound(v, -v)
    (slope,) = tg.grad(bound, v)
    assert bound.dtype == np.float32
    assert bound.item() == pytest.approx({"jensen_shannon": math.log(2), "squared_hellinger": 2}[name], abs=1e-6)
    assert np.isfinite(slope.numpy()).all()


def test_the_jensen_shannon_bound_is_that_of_a_discriminator():
    on_p, on_q = tg.randn(9, 1, dtype="float64"), tg.randn(9, 1, dtype="float64")
    expected = math.log(2) + np.log(special.expit(on_p.numpy())).mean() / 2
    expected += np.log(1 - special.expit(on_q.numpy())).mean() / 2
    assert F_DIVERGENCES["jensen_shannon"].bound(on_p, on_q).item() == pytest.approx(expected, abs=1e-12)


# Penalties -----------------------------------------------------------------------------------------------------------


def linear_critic(slope):
    """A critic on the plane whose gradient has the length ``slope`` everywhere."""
    critic = nn.Sequential(nn.Linear(2, 1)).astype("float64")
    critic[0].weight.data = slope * np.array([[0.6, -0.8]])
    return critic


def pair(n=6, dtype="float64"):
    return tg.randn(n, 2, dtype=dtype), tg.randn(n, 2, dtype=dtype)


@pytest.mark.parametrize("slope", [0.25, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_the_square_of_its_slope_less_1(slope):
    critic = linear_critic(slope)
    assert gradient_penalty(critic, *pair()).item() == pytest.approx((slope - 1) ** 2, abs=1e-9)
    assert lipschitz_penalty(critic, *pair()).item() == pytest.approx(max(0.0, slope - 1) ** 2, abs=1e-9)


@pytest.mark.parametrize("penalty", [gradient_penalty, lipschitz_penalty])
@pytest.mark.parametrize("steep", [1.0, 9.0])
def test_the_gradient_of_a_penalty_in_the_weights_equals_difference_quotients(penalty, steep):
    critic = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).astype("float64")
    critic[0].weight.data = critic[0].weight.data * steep
    real, fake = pair()

    def of_weights(*weights):
        tg.manual_seed(1)  # the same interpolates each time
        return penalty(lambda z: tg.tanh(z @ weights[0].T + weights[1]) @ weights[2].T, real, fake)

    weights = [critic[0].weight, critic[0].bias, critic[2].weight]
    assert tg.gradcheck(of_weights, weights)


@pytest.mark.parametrize("penalty", [gradient_penalty, lipschitz_penalty])
def test_where_the_critic_is_flat_the_penalty_and_its_gradient_are_finite(penalty):
    critic = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    critic[2].weight.data = np.zeros_like(critic[2].weight.data)
    value = penalty(critic, *pair(dtype="float32"))
    assert value.item() == pytest.approx(1.0 if penalty is gradient_penalty else 0.0, abs=1e-5)
    slopes = tg.grad(value, critic.parameters(), allow_unused=True)
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes if slope is not None)


def test_interpolates_lie_on_the_way_from_fake_to_real_one_share_an_example():
    real, fake = tg.ones(500, 2, 3), tg.zeros(500, 2, 3)
    fake.requires_grad = True
    between = interpolates(real, fake)
    shares = between.numpy()[:, 0, 0]
    assert (between.numpy() == shares[:, None, None]).all()
    assert stats.kstest(shares, "uniform").pvalue > 1e-3
    assert not between.requires_grad


def test_norms_are_taken_over_all_axes_but_the_first():
    x = tg.randn(3, 2, 4, 4, dtype="float64")
    norms = gradient_norms(lambda x: (x * x).sum(axis=(1, 2, 3)), x)
    assert norms.numpy() == pytest.approx(2 * np.sqrt((x.numpy() ** 2).sum(axis=(1, 2, 3))))


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((0, 2), (0, 2)), ((3,), (3,))])
def test_batches_that_cannot_be_mixed_are_refused(shapes):
    real, fake = (tg.zeros(*shape) for shape in shapes)
    with pytest.raises(ValueError, match=r"^interpolates: real and fake must have one shape \(N, ...\) with N > 0"):
        gradient_penalty(linear_critic(1.0), real, fake)


# Games ---------------------------------------------------------------------------------------------------------------


def losses(name, **options):
    """The critic's and the generator's loss of a game without its penalty, and the scores that they are of."""
    game = replace(GAMES[name], norm_penalty=None, **options)
    real, fake = pair(400)
    critic = linear_critic(2.0)
    v_real, v_fake = critic(real).numpy(), critic(fake).numpy()
    return game.critic_loss(critic, real, fake).item(), game.generator_loss(critic, fake).item(), v_real, v_fake


def discriminator_loss(v_real, v_fake):
    return -np.log(special.expit(v_real)).mean() - np.log(1 - special.expit(v_fake)).mean()


def wasserstein_losses(v_real, v_fake):
    return v_fake.mean() - v_real.mean(), -v_fake.mean()


LOSSES = {  # the losses of critic and generator as functions of the scores of real and fake examples
    "minimax": lambda real, fake: (discriminator_loss(real, fake), np.log(1 - special.expit(fake)).mean()),
    "non_saturating": lambda real, fake: (discriminator_loss(real, fake), -np.log(special.expit(fake)).mean()),
    "wasserstein_clip": wasserstein_losses,
    "wasserstein_gradient": wasserstein_losses,
    "wasserstein_lipschitz": wasserstein_losses,
}


@every_game
def test_the_losses_of_a_game_are_its_equations(name):
    critic, generator, v_real, v_fake = losses(name)
    assert (critic, generator) == pytest.approx(LOSSES[name](v_real, v_fake), abs=1e-12)


@every_game
def test_a_penalty_joins_the_critics_loss_with_its_weight(name):
    game, critic, (real, fake) = GAMES[name], linear_critic(3.0), pair()
    bare = replace(game, norm_penalty=None).critic_loss(critic, real, fake).item()
    extra = 10 * 4.0 if game.norm_penalty else 0.0
    assert game.critic_loss(critic, real, fake).item() == pytest.approx(bare + extra, abs=1e-7)


@every_game
def test_the_generator_learns_through_the_critic_and_every_loss_can_be_trained(name):
    critic, generator = linear_critic(2.0), nn.Linear(3, 2).astype("float64")
    fake = generator(tg.randn(5, 3, dtype="float64"))
    GAMES[name].generator_loss(critic, fake).backward()
    assert np.abs(generator.weight.grad.numpy()).max() > 0
    critic.zero_grad()
    GAMES[name].critic_loss(critic, tg.randn(5, 2, dtype="float64"), fake.detach()).backward()
    assert np.abs(critic[0].weight.grad.numpy()).max() > 0


def test_where_the_critic_is_sure_the_minimax_generator_learns_nothing_and_the_other_does():
    v = tg.tensor([[-30.0]], requires_grad=True)
    slopes = [abs(tg.grad(GAMES[name].sample_loss(v).sum(), v)[0].item()) for name in ("minimax", "non_saturating")]
    assert slopes[0] < 1e-12
    assert slopes[1] == pytest.approx(1)


def test_labels_are_flipped_for_their_fraction_of_real_examples():
    labels = NoisyLabels(usual=(1.0, 1.0), flipped=(0.0, 0.0), share_flipped=0.25)
    found, _, v_real, v_fake = losses("non_saturating", labels=labels)
    right, wrong, on_fake = np.log1p(np.exp(-v_real)), np.log1p(np.exp(v_real)), np.log1p(np.exp(v_fake)).mean()
    deviation = math.sqrt(0.75 * 0.25 * np.square(v_real).sum()) / 400
    assert abs(found - (0.75 * right + 0.25 * wrong).mean() - on_fake) < 4 * deviation
    assert abs(found - right.mean() - on_fake) > 0.1


def test_a_score_pays_the_cross_entropy_of_its_label():
    labels = NoisyLabels(usual=(0.8, 0.8), share_flipped=0.0)
    critic, generator, v_real, v_fake = losses("non_saturating", labels=labels)
    D_real, D_fake = special.expit(v_real), special.expit(v_fake)
    expected = -(0.8 * np.log(D_real) + 0.2 * np.log(1 - D_real)).mean() - np.log(1 - D_fake).mean()
    assert critic == pytest.approx(expected, abs=1e-12)
    assert generator == pytest.approx(-np.log(D_fake).mean(), abs=1e-12)


def test_noisy_labels_are_drawn_for_each_real_example_and_are_on_average_their_mean():
    labels = NoisyLabels()
    assert labels.mean == pytest.approx(0.95 * 0.95 + 0.05 * 0.15)
    found, _, v_real, v_fake = losses("non_saturating", labels=labels)
    expected = (np.log1p(np.exp(v_real)) - labels.mean * v_real).mean() + np.log1p(np.exp(v_fake)).mean()
    variance = 0.95 * 0.5**2 / 12 + 0.05 * 0.3**2 / 12 + 0.95 * 0.05 * 0.8**2  # within the parts, and between them
    assert abs(found - expected) < 4 * math.sqrt(variance * np.square(v_real).sum()) / len(v_real)


def test_noisy_labels_lie_in_their_ranges_in_their_shares():
    y = NoisyLabels(share_flipped=0.3).draw(tg.zeros(5000, 1, dtype="float64")).numpy()
    turned = y[y < 0.5]
    assert abs(len(turned) / 5000 - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 5000)
    assert stats.kstest(turned, stats.uniform(0.0, 0.3).cdf).pvalue > 1e-3
    assert stats.kstest(y[y > 0.5], stats.uniform(0.7, 0.5).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"usual": (1.0, 0.7)}, r"usual must be two finite numbers \(low, high\) with low <= high, got \(1.0, 0.7\)"),
        (
            {"flipped": (0.3, math.nan)},
            r"flipped must be two finite numbers \(low, high\) with low <= high, got \(0.3, nan\)",
        ),
        ({"share_flipped": 1.5}, r"share_flipped must be a number in \[0, 1\], got 1.5"),
        ({"usual": (0.9, 1.2)}, "the mean of all labels must lie between 0 and 1, it is 1.005"),
    ],
)
def test_labels_that_make_no_sense_are_refused(options, problem):
    with pytest.raises(ValueError, match=f"^NoisyLabels: {problem}$"):
        NoisyLabels(**options)


def test_clipping_puts_the_weights_into_a_box_and_only_that_game_clips():
    for name, game in GAMES.items():
        critic = linear_critic(2.0)
        before = critic[0].weight.data
        game.constrain(critic)
        after = critic[0].weight.data
        expected = np.clip(before, -0.01, 0.01) if name == "wasserstein_clip" else before
        assert np.array_equal(after, expected)


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("wasserstein_gradient", {"penalty_weight": -1.0}, "penalty_weight must be a number from 0, got -1.0"),
        ("wasserstein_clip", {"clip": 0.0}, "clip must be a positive number or None, got 0.0"),
        ("minimax", {"n_critic": 0}, "n_critic must be a whole number from 1, got 0"),
        ("wasserstein_clip", {"labels": NoisyLabels()}, "only a game with labels can have random ones"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, options, problem):
    with pytest.raises(ValueError, match=f"^Game: {problem}"):
        replace(GAMES[name], **options)


@pytest.mark.parametrize(
    "critic", [lambda x: tg.mean(x), lambda x: x, lambda x: tg.mean(x, axis=0), lambda x: x[:2, :1]]
)
def test_a_critic_gives_one_score_for_each_example(critic):
    x = tg.randn(5, 3)
    calls = [lambda: gradient_norms(critic, x), lambda: gradient_penalty(critic, x, x)]
    calls += [lambda game=game: game.critic_loss(critic, x, x) for game in GAMES.values()]
    calls += [lambda game=game: game.generator_loss(critic, x) for game in GAMES.values()]
    for call in calls:
        with pytest.raises(
            ValueError, match=r": critic must give one score for each of \d+ examples, shape \(\d+, 1\)"
        ):
            call()


def test_gradient_norms_and_penalties_have_their_values_under_no_grad():
    x = tg.randn(3, 2)
    critic = lambda x: (x * x).sum(axis=1)  # noqa: E731
    expected = gradient_norms(critic, x).numpy()
    with tg.no_grad():
        found = gradient_norms(critic, x)
    assert not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), expected)
