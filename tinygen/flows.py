"""Flow matching and diffusion: samples by integrating a learned velocity from noise to data.

A path joins noise e ~ N(0, I) at t = 0 to data x at t = 1:

    x_t  =  alpha(t) x + sigma(t) e

Along it a point has the velocity alpha'(t) x + sigma'(t) e. Many paths go through a point x_t at time t; the marginal
velocity is the mean of theirs,

    v(x_t, t)  =  E[alpha'(t) x + sigma'(t) e | x_t]

and the solutions of dx/dt = v(x, t) that start from noise have at every t the distribution of x_t, so they end in
samples of the data (Lipman et al. 2023, theorem 1). A conditional mean minimises a squared error, so a network learns v
by regression on pairs (x, e):

    flow matching    E ||v(x_t, t) - (alpha'(t) x + sigma'(t) e)||^2        straight path, target x - e
    diffusion        E ||n(x_t, t) - e||^2                                  path on a circle, target e

The two differ in the path, the target and the weights of the times: n determines v (``velocity_from_noise``), with an
error that is sigma' - alpha' sigma / alpha times that of n. Literature on diffusion counts time in the other direction,
from data to noise. Networks are functions of x (N, ...) and t (N,). All losses are means
over elements, of the square of the unit of x.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.engine import grad
from tinygen.autograd.recording import grad_mode, no_grad
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count, Fraction
from tinygen.functional import mse_loss
from tinygen.operations.arithmetic import clip
from tinygen.operations.creation import full, ones_like, rand, randn_like, zeros_like
from tinygen.operations.elementwise import cos, sin, sqrt
from tinygen.operations.reductions import sum
from tinygen.operations.shaping import cat, reshape

Network = Callable[[Tensor, Tensor], Tensor]  # x (N, ...), t (N,) -> (N, ...): a velocity, or the noise


@dataclass(frozen=True)
class Path:
    """x_t = alpha(t) x + sigma(t) e. ``alpha``, ``sigma`` and their derivatives are functions of t (any shape), element
    by element."""

    alpha: Callable[[Tensor], Tensor]
    sigma: Callable[[Tensor], Tensor]
    alpha_derivative: Callable[[Tensor], Tensor]
    sigma_derivative: Callable[[Tensor], Tensor]

    def coefficients(self, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma at t (N,), with further axes of length 1 to multiply x (N, ...)."""
        t = _as_column(t, x)
        return self.alpha(t), self.sigma(t)

    def at(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The point x_t of the path from ``noise`` to x, both (N, ...), at t (N,): (N, ...)."""
        alpha, sigma = self.coefficients(t, x)
        return alpha * x + sigma * noise

    def velocity(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The derivative of ``at`` with respect to t, for the same arguments: (N, ...)."""
        t = _as_column(t, x)
        return self.alpha_derivative(t) * x + self.sigma_derivative(t) * noise


STRAIGHT = Path(
    alpha=lambda t: t,
    sigma=lambda t: 1 - t,
    alpha_derivative=ones_like,
    sigma_derivative=lambda t: -ones_like(t),
)


def _circle(first: float = 0.01) -> Path:
    """alpha = sin(a), sigma = cos(a), with an angle a that grows at a constant rate from ``first`` to pi / 2."""
    rate = math.pi / 2 - first
    return Path(
        alpha=lambda t: sin(first + rate * t),
        sigma=lambda t: cos(first + rate * t),
        alpha_derivative=lambda t: rate * cos(first + rate * t),
        sigma_derivative=lambda t: -rate * sin(first + rate * t),
    )


# The cosine schedule of diffusion (Nichol and Dhariwal 2021), without their offset at t = 1. alpha^2 + sigma^2 = 1, so
# data of variance 1 keep it. alpha(0) is not quite 0, since the estimate of the data from the noise divides by it.
COSINE = _circle()


def flow_matching_loss(velocity: Network, x: Tensor, path: Path = STRAIGHT) -> Tensor:
    """``mean (v(x_t, t) - (alpha'(t) x + sigma'(t) e))^2`` with e ~ N(0, I) and t ~ U[0, 1), one per example: data x
    (N, ...) -> one number (Lipman et al. 2023, eq. 14; Liu et al. 2023 for the straight path)."""
    noise, t = randn_like(x), rand(len(x), dtype=x.dtype, device=x.device)
    return mse_loss(velocity(path.at(x, noise, t), t), path.velocity(x, noise, t))


def diffusion_loss(noise_network: Network, x: Tensor, path: Path = COSINE) -> Tensor:
    """``mean (n(x_t, t) - e)^2`` with e ~ N(0, I) and t ~ U[0, 1), one per example: data x (N, ...) -> one number
    (Ho et al. 2020, eq. 14, in continuous time)."""
    noise, t = randn_like(x), rand(len(x), dtype=x.dtype, device=x.device)
    return mse_loss(noise_network(path.at(x, noise, t), t), noise)


def velocity_from_noise(noise_network: Network, path: Path = COSINE) -> Network:
    """The velocity that belongs to a network that estimates the noise: with n for e, the data of the path through x_t
    are (x_t - sigma n) / alpha, and v = alpha' (x_t - sigma n) / alpha + sigma' n. Not finite where alpha is 0."""

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        noise = noise_network(x, t)
        return path.velocity(_data(x, noise, t, path), noise, t)

    return velocity


@checked_arguments
@no_grad()
def integrate(
    velocity: Network,
    x: Tensor,
    steps: Count = 50,
    method: str = "heun",
    start: float = 0.0,
    end: float = 1.0,
) -> Tensor:
    """The solution at time ``end`` of dx/dt = v(x, t) from x (N, ...) at time ``start``, in ``steps`` equal steps of
    length h: samples, for a trained velocity and x ~ N(0, I).

    ``euler``: x + h v(x, t), an error of order h, one call of the network per step. ``heun``: the mean of the
    velocities at both ends of an Euler step, order h^2, two calls (Karras et al. 2022, algorithm 1). Raises
    ``ValueError`` for another ``method``, and for velocities of another shape than x.
    """
    if method not in ("euler", "heun"):
        raise ValueError(f"integrate: method must be 'euler' or 'heun', got {method!r}")
    h = (end - start) / steps
    for k in range(steps):
        t = start + k * h
        first = _of_shape("integrate", velocity(x, _constant(t, x)), x)
        moved = x + h * first
        x = moved if method == "euler" else x + h / 2 * (first + velocity(moved, _constant(t + h, x)))
    return x


@checked_arguments
@no_grad()
def denoise(noise_network: Network, x: Tensor, steps: Count = 50, path: Path = COSINE, eta: Fraction = 0) -> Tensor:
    """Samples from noise x (N, ...), drawn from N(0, I), by a network that estimates the noise, for a path with
    alpha^2 + sigma^2 = 1 and alpha > 0.

    Each of the ``steps`` equal steps estimates the data x and the noise e of the path through x_t, and goes to the
    point of that path at the next time s, with a part of the noise drawn anew (Song et al. 2021, eq. 12 and 16):

        x_s  =  alpha_s x + sqrt(sigma_s^2 - c^2) e + c z
        c    =  eta (sigma_s / sigma_t) sqrt(1 - (alpha_t / alpha_s)^2),    z ~ N(0, I)

    ``eta`` 0: deterministic (DDIM). ``eta`` 1: ancestral sampling (Ho et al. 2020, algorithm 2). Raises ``ValueError``
    for another path and an ``eta`` outside [0, 1].
    """
    alpha, sigma = (coefficient(full((1,), 0.0)).item() for coefficient in (path.alpha, path.sigma))
    if alpha <= 0 or abs(alpha**2 + sigma**2 - 1) > 1e-3:
        raise ValueError(f"denoise: path must have 0 < alpha and alpha^2 + sigma^2 = 1, alpha(0) is {alpha:.3g}")
    for k in range(steps):
        t, s = _constant(k / steps, x), _constant((k + 1) / steps, x)
        noise = noise_network(x, t)
        estimate = _data(x, noise, t, path)
        (alpha_t, sigma_t), (alpha_s, sigma_s) = (path.coefficients(time, x) for time in (t, s))
        c = eta * sigma_s / sigma_t * sqrt(clip(1 - (alpha_t / alpha_s) ** 2, 0, 1))
        x = alpha_s * estimate + sqrt(clip(sigma_s**2 - c**2, 0, 1)) * noise + c * randn_like(x)
    return x


@checked_arguments
def log_likelihood(velocity: Network, x: Tensor, steps: Count = 100) -> Tensor:
    """log p(x) in nats of points x (N, d): (N,). By the instantaneous change of variables (Chen et al. 2018, theorem 1)

        log p(x)  =  log N(x_0; 0, I)  -  integral from 0 to 1 of div v(x_t, t) dt

    along the solution of dx/dt = v(x, t) that ends in x at t = 1. Point and integral are computed together, from t = 1
    back to 0, with ``steps`` steps of Heun's method, an error of order 1 / steps^2. The divergence, the sum of the
    dv_i / dx_i, takes d backward passes per call; it assumes that the velocity of a point does not depend on the others
    in the batch. Raises ``ValueError`` for x of another shape, and for velocities of another shape than x.
    """
    if x.ndim != 2:
        raise ValueError(f"log_likelihood: x must be points (N, d), got the shape {x.shape}")

    def with_divergence(state: Tensor, t: Tensor) -> Tensor:
        with grad_mode(True):
            point = Tensor(state.data[:, :-1], requires_grad=True)
            v = _of_shape("log_likelihood", velocity(point, t), point)
            divergence = zeros_like(v[:, :1]).detach()
            for i in range(point.shape[1]):
                (gradient,) = grad(v[:, i].sum(), point, allow_unused=True)
                divergence = divergence if gradient is None else divergence + gradient[:, i : i + 1]
        return cat([v.detach(), divergence], axis=1)

    start = cat([x, full((len(x), 1), 0.0, dtype=x.dtype, device=x.device)], axis=1)
    end = integrate(with_divergence, start, steps, "heun", 1.0, 0.0)
    x_0, integral = end[:, :-1], -end[:, -1]  # integrated from 1 to 0, hence the sign
    return -0.5 * sum(x_0**2, axis=1) - x.shape[1] / 2 * math.log(2 * math.pi) - integral


def _data(x: Tensor, noise: Tensor, t: Tensor, path: Path) -> Tensor:
    """The data whose path from ``noise`` goes through x at t: (x - sigma e) / alpha."""
    alpha, sigma = path.coefficients(t, x)
    return (x - sigma * noise) / alpha


def _of_shape(caller: str, velocity: Tensor, x: Tensor) -> Tensor:
    """``velocity``, which must have the shape of x."""
    if velocity.shape != x.shape:
        raise ValueError(f"{caller}: velocity must return the shape of x, {x.shape}, it returned {velocity.shape}")
    return velocity


def _as_column(t: Tensor, x: Tensor) -> Tensor:
    """t (N,) -> (N, 1, ...), to multiply x (N, ...)."""
    return reshape(t, (-1, *(1,) * (x.ndim - 1)))


def _constant(t: float, x: Tensor) -> Tensor:
    """The time t for each example of x (N, ...): (N,)."""
    return full((len(x),), t, dtype=x.dtype, device=x.device)
