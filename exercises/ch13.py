"""Exercises of chapter 13, flow matching and diffusion. Fill the gaps in, then ``python exercises/grade.py 13``.

Arrays are NumPy's, float64, unless a tensor is asked for; import what you need at the top of the file. Time runs from
noise, t = 0, to data, t = 1. On the straight path x_t = t x + (1 - t) e.
"""


# Exercise 1: the flow to a Gaussian (*)
def gaussian_velocity(x, t, mean, sd):
    """The marginal velocity E[data - noise | x_t = x] of the straight path to N(``mean``, ``sd``^2): x (N,) -> (N,).

    ``t`` is a number in [0, 1]. The formula has to be finite at both ends, and for sd = 0 at t < 1.

    Hint: data - noise and x_t are jointly Gaussian; E[a | b] = E[a] + Cov(a, b) / Var(b) (b - E[b]). Section "A path
    from noise to data".
    """
    raise NotImplementedError


# Exercise 2: the midpoint method (*)
def midpoint(velocity, x, steps):
    """The solution at t = 1 of dx/dt = velocity(x, t) from ``x`` (N, ...) at t = 0, in equal steps.

    A step of length h goes half of an Euler step, and then the whole step from the beginning with the velocity found
    there: x + h v(x + h/2 v(x, t), t + h/2). ``velocity`` takes an array and a number. It is of order 2.

    Section "Euler and Heun".
    """
    raise NotImplementedError


# Exercise 3: the flow to a mixture (**)
def mixture_velocity(x, t, centres, sd):
    """The marginal velocity of the straight path to a mixture of Gaussians of covariance ``sd``^2 I around ``centres``
    (K, d), all equally likely: x (N, d) -> (N, d).

    ``t`` is a number in [0, 1]. The result has to be right where every density of a mode underflows, too: at t = 1 and
    points 100 standard deviations away.

    Hint: subtract the largest exponent before the exponentials. Section "A path from noise to data".
    """
    raise NotImplementedError


# Exercise 4: one network, three quantities (*)
def from_velocity(v, x, t, path):
    """Data, noise and score that belong to a marginal velocity ``v`` (N, d) at points ``x`` (N, d): three arrays.

    ``path`` is a ``tinygen.flows.Path``; t (N,) lies in (0, 1). All three are linear in v and x: solve the equation of
    the path, x = alpha data + sigma noise, and its derivative, v = alpha' data + sigma' noise, for the two means.

    Hint: ``path.alpha``, ``path.sigma``, ``path.alpha_derivative`` and ``path.sigma_derivative`` are functions of
    tensors, of any shape. Section "Diffusion: another path, another target".
    """
    raise NotImplementedError


# Exercise 5: a divergence for images (**)
def estimated_divergence(velocity, x, t, probes, rng):
    """Hutchinson's unbiased estimate of the divergence of ``velocity`` at ``x``: a tensor (N,).

    ``velocity`` maps tensors x (N, d) and t (N,) to (N, d). For a random vector r whose components are +1 or -1 with
    equal probability, E[r . (J r)] is the trace of the Jacobian J. Return the mean over ``probes`` such vectors for
    each point, drawn by ``rng``, a NumPy generator. A probe takes one backward pass for all points and dimensions.

    Hint: r J is a vector-Jacobian product, ``tg.grad(v, x, r)``. Section "The density of a flow".
    """
    raise NotImplementedError


# Exercise 6: noise from data (**)
def ddim(noise_network, x, times, path):
    """DDIM along the times ``times``, a list of numbers: x (N, d), a tensor at times[0], to its point at times[-1].

    ``noise_network`` maps tensors x (N, d) and t (N,) to the noise (N, d); ``path`` is a ``tinygen.flows.Path`` with
    alpha > 0. The times may be unevenly spaced, and they may decrease: then data become the noise that they come from.

    Hint: ``path.coefficients``. Section "Diffusion: another path, another target".
    """
    raise NotImplementedError


# Exercise 7: steps of the right length (***)
def adaptive(velocity, x, tolerance):
    """The solution at t = 1 of dx/dt = velocity(x, t) from ``x`` (N, d) at t = 0, and the number of calls of
    ``velocity``: a pair. ``velocity`` takes an array and a number.

    A step of Heun's method contains a step of Euler's; the largest absolute difference of the two results over all
    components estimates the error of the step. A step is accepted, with Heun's result, if this error is at most
    ``tolerance``; in both cases the next length is h 0.9 sqrt(tolerance / error), but at most 5 h and at least h / 5,
    and the last step ends at exactly t = 1. Begin with h = 0.01. A rejected step does not compute the velocity at its
    beginning again.

    Section "Euler and Heun".
    """
    raise NotImplementedError
