"""Exercises of chapter 12, tighter bounds. Fill the gaps in, then ``python exercises/grade.py 12``.

Arrays are NumPy's, float64, except where tensors are named; import what you need at the top of the file.
"""


# Exercise 1: the bound for fewer samples (*)
def bound_from_weights(log_w, K):
    """The K-sample bound, nats, estimated from M >= K log-weights of each of N images, ``log_w`` (N, M) -> (N,).

    The first M // K groups of K consecutive weights give one estimate each; return their mean. The weights themselves
    underflow.

    Hint: ``scipy.special.logsumexp``. Section "The K-sample bound".
    """
    raise NotImplementedError


# Exercise 2: a correction of the bias (**)
def jackknife(log_w):
    """The jackknife estimate of log p(x) from log-weights ``log_w`` (N, K), K >= 2, -> (N,), nats (Nowozin 2018).

    ``K L_K - (K - 1) mean_i L_(K-1)^i``, where L_K is the estimate from all K weights, and L_(K-1)^i that from all but
    the i-th. The bias of order 1/K cancels. The result is no bound.

    Section "The K-sample bound".
    """
    raise NotImplementedError


# Exercise 3: which variance the encoder learns (**)
def best_variances(eigenvalues):
    """The variances u_1 and u_2 of q = N(m, u I) for a posterior N(m, S), S with ``eigenvalues`` (L,).

    u_1 minimises KL(q || posterior), the objective for K = 1; u_2 minimises the variance of the weights,
    ``sum_i log u - 1/2 log(2 u - lambda_i)`` up to constants, the objective for K -> infinity. Return the pair.

    Hint: ``scipy.optimize.brentq`` for the zero of a derivative, above max lambda / 2. Section "What the encoder
    learns".
    """
    raise NotImplementedError


# Exercise 4: the doubly reparametrised gradient (**)
def dreg(log_joint, mean, logvar, noise):
    """The DReG estimate of the gradients of the K-sample bounds of N images, with respect to ``mean`` and ``logvar``.

    ``mean`` and ``logvar``: tensors (N, L) that require gradients; ``noise``: a tensor (N, K, L); ``log_joint``: a
    function of tensors z (N, K, L) -> log p(x, z) (N, K). Samples are z = mean + e^(logvar/2) noise. Return a pair of
    tensors (N, L). The sum over the images of their bounds has these gradients for each image, in expectation.

    Hint: differentiate log w_k with respect to z first, with q's parameters detached; then z with respect to both,
    ``tg.grad(z, [mean, logvar], weights)``. Section "The doubly reparametrised gradient".
    """
    raise NotImplementedError


# Exercise 5: the masks (*)
def masks(inputs, hidden, order):
    """The masks of MADE, a list of arrays of 0 and 1 of shape (out, in), one per layer.

    ``hidden``: the widths of the hidden layers; ``order``: the indices of the inputs, the first to be generated first.
    The degree of an input is its place in the order, from 1; that of hidden unit j of ``width`` is
    ``1 + j (inputs - 1) // width``, j from 0. A hidden unit sees units of at most its own degree, an output units of a
    smaller one.

    Section "MADE: an exact likelihood".
    """
    raise NotImplementedError


# Exercise 6: the rest of an image (**)
def completions(model, known, n):
    """``n`` samples (n, D), an array of 0 and 1, of the bits of a ``tinygen.models.MADE`` in its default order, given
    the first ones, ``known`` (m,).

    Hint: ``model(x)`` gives the logits of all bits; ``tg.rand``. Section "MADE: an exact likelihood".
    """
    raise NotImplementedError


# Exercise 7: a mixture of orders (***)
def mixture_log_likelihood(models, x):
    """log p(x) of bits x (N, D) under the equal mixture of MADEs ``models`` with different orders -> (N,), nats.

    Section "MADE: an exact likelihood".
    """
    raise NotImplementedError


def mixture_conditional(models, x, bit):
    """The probability (N,) that ``bit`` is 1 given all other bits of x (N, D), under the equal mixture.

    A single MADE gives this for no bit but its last; a likelihood that is exact and normalised gives it for every bit.
    """
    raise NotImplementedError


# Exercise 8: two layers of latents (**)
def two_layer_kl(q_1, p_2, q_2, n):
    """KL(q || p) of two layers of latents, a tensor of one number, nats: in closed form given z_1, averaged over ``n``
    samples of z_1.

    p(z_1) = N(0, I); ``q_1`` is the pair of mean and log-variance (L,), tensors, of q(z_1). ``p_2`` and ``q_2`` are
    functions of z_1 (n, L), which return mean and log-variance (n, M) of p(z_2|z_1) and of q(z_2|z_1). The result is
    differentiable in the parameters of all of them.

    Hint: ``tinygen.likelihoods``. Section "Layers of latents".
    """
    raise NotImplementedError
