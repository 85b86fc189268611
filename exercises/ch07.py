"""Exercises of chapter 7, divergences. Fill the gaps in, then ``python exercises/grade.py 7``.

Arrays are NumPy's unless a docstring says "tensor"; import what you need at the top of the file.
"""


# Exercise 1: the convex conjugate on a grid (*)
def conjugate(f, t, u):
    """The convex conjugate ``f*(t) = sup_u (u t - f(u))``, with the supremum taken over a grid.

    ``f`` is a function of arrays, element by element; ``t`` (M,) are the points, ``u`` (K,) the grid. Return (M,).

    Hint: an array (M, K) by broadcasting. Section "The convex conjugate".
    """
    raise NotImplementedError


# Exercise 2: the value of a discriminator (*)
def discriminator_value(D, p, q, x):
    """``V(D) = E_p[log D] + E_q[log(1 - D)]`` by Simpson's rule.

    ``D``, ``p`` and ``q`` are arrays (N,): the discriminator and the two densities at the points ``x`` (N,). Return a
    number.

    Hint: ``scipy.integrate.simpson(y, x=x)``. Section "The optimal discriminator".
    """
    raise NotImplementedError


def optimal_discriminator(log_p, log_q):
    """The discriminator that maximises V, computed from log densities (any shape) without overflow.

    Hint: D is the sigmoid of the log density ratio; where the densities underflow to 0, ``p / (p + q)`` is NaN.
    """
    raise NotImplementedError


# Exercise 3: Wasserstein-1 by sorting (*)
def wasserstein_1d(x, y):
    """The Wasserstein-1 distance between the empirical distributions of ``x`` (n,) and ``y`` (m,).

    For n = m it is the mean distance of the sorted values. For n != m repeat every value of x lcm(n, m) / n times and
    every value of y lcm(n, m) / m times: the distributions are the same. Return a number.

    Hint: ``np.repeat``, ``math.lcm``. Section "Couplings and the Wasserstein distance".
    """
    raise NotImplementedError


# Exercise 4: a row for Neyman's chi-squared divergence (**)
def neyman():
    """An ``FDivergence`` for Neyman's divergence, the integral of (p - q)^2 / p, so f(u) = (1 - u)^2 / u.

    Derive f*(t), which is defined for t < 1, by setting the derivative of u t - f(u) to 0. Use the activation
    g(v) = 1 - e^-v, and give f*(g(v)) in closed form. ``optimal_output`` is the v with g(v) = f'(u) as a function of
    log u. All five are functions of tensors, element by element, with ``tg.exp``, ``tg.sqrt`` and the like.

    Hint: check f* with exercise 1. Section "f-divergences" and the docstring of ``FDivergence``.
    """
    raise NotImplementedError


# Exercise 5: the gap of the Jensen-Shannon bound (**)
def jensen_shannon_gap(v, log_p, log_q, x):
    """JSD(p, q) minus the bound ``log 2 + E_p[log sigmoid(v)] / 2 + E_q[log sigmoid(-v)] / 2``, by Simpson's rule.

    ``v`` (N,) is the logit of the discriminator at the points ``x`` (N,), ``log_p`` and ``log_q`` (N,) are the log
    densities. Return the pair (JSD, gap). Nothing may overflow, for logits of +-1000 either.

    Hint: ``np.logaddexp(0, v)`` is -log sigmoid(-v), and gives log m as well. The gap is a divergence itself, so it
    must not be negative. Section "The optimal discriminator".
    """
    raise NotImplementedError


# Exercise 6: spectral norms and the Lipschitz constant of an MLP (**)
def spectral_norm(W, steps=200):
    """The largest singular value of the matrix ``W`` (O, I), by power iteration. Return a number.

    Begin with a random vector u (I,); in each step v = W u / ||W u||, then u = W^T v / ||W^T v||. After the last step
    the value is v^T W u. The zero matrix has norm 0.
    """
    raise NotImplementedError


def lipschitz_bound(network):
    """An upper bound on the Lipschitz constant of ``network``, an ``nn.Sequential`` of ``nn.Linear`` and ``nn.ReLU``.

    A composition of functions with Lipschitz constants a and b has a constant of at most a b; that of a ReLU is 1. The
    layers are ``network.items``. Section "Kantorovich-Rubinstein duality".
    """
    raise NotImplementedError


# Exercise 7: the unbiased estimate of the squared MMD (**)
def squared_mmd(x, y, bandwidth):
    """The unbiased estimate of the squared maximum mean discrepancy from samples ``x`` (n, d) and ``y`` (m, d).

    The kernel is Gaussian, ``k(a, b) = exp(-||a - b||^2 / (2 bandwidth^2))``. Within a set only pairs of *different*
    points count, n (n - 1) ordered pairs. The estimate may be negative. Return a number.

    Hint: ``scipy.spatial.distance.cdist`` or broadcasting. Section "Estimates from samples".
    """
    raise NotImplementedError


# Exercise 8: a density ratio by logistic regression (***)
def log_density_ratio(x, y):
    """Estimate log p(a) / q(a) from samples ``x`` (n,) of p and ``y`` (m,) of q; n and m may differ.

    Fit the logit v(a) = w_0 + w_1 a + w_2 a^2 by logistic regression (label 1 for x, 0 for y). For Gaussians the log
    ratio is such a polynomial. With unequal numbers the optimal logit is log(n p / (m q)): correct it. Return a
    function from points (K,) to the estimates (K,).

    Hint: the loss is convex, so Newton's method converges in about ten steps: with features A (n + m, 3), labels c and
    probabilities D, solve (A^T diag(D (1 - D)) A) step = A^T (c - D). Or use ``tinygen`` and an optimiser. Section
    "Density ratio estimation".
    """
    raise NotImplementedError
