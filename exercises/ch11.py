"""Exercises of chapter 11, evaluation. Fill the gaps in, then ``python exercises/grade.py 11``.

Arrays are NumPy's, float64; import what you need at the top of the file.
"""


# Exercise 1: the Fréchet distance of two Gaussians (*)
def frechet(mu_p, cov_p, mu_q, cov_q):
    """``|mu_p - mu_q|^2 + tr(S_p + S_q - 2 (S_p S_q)^(1/2))``: means (D,), covariances (D, D) -> a number.

    Only symmetric matrices are needed: the trace of the root is that of ``(R S_p R)^(1/2)``, with R the symmetric root
    of S_q. The root of a symmetric matrix has the same eigenvectors and the roots of the eigenvalues; eigenvalues that
    rounding made negative are 0. Covariances may be singular.

    Hint: ``np.linalg.eigh``, ``np.linalg.eigvalsh``. Section "The Fréchet inception distance".
    """
    raise NotImplementedError


# Exercise 2: the unbiased estimate of KID (*)
def kid(x, y):
    """The unbiased estimate of the squared MMD of features ``x`` (n, D) and ``y`` (m, D), without blocks.

    The kernel is ``k(a, b) = (a.b / D + 1)^3``. Within a set only pairs of different images count. Return a number.

    Section "The kernel inception distance".
    """
    raise NotImplementedError


# Exercise 3: the bootstrap (*)
def bootstrap_error(statistic, x, resamples, rng):
    """The bootstrap standard error of ``statistic(x)``, a function from samples (n, ...) to a number.

    Each of ``resamples`` resamples has n rows of ``x`` (n, ...), chosen with replacement by ``rng``, a NumPy generator.
    Return the standard deviation (divided by resamples - 1) of the statistic over the resamples.

    Section "Standard errors".
    """
    raise NotImplementedError


# Exercise 4: density and coverage (**)
def density_and_coverage(samples, data, k=5):
    """The density and coverage (Naeem et al. 2020) of ``samples`` (M, D) with respect to ``data`` (N, D), and the
    coverage that is expected where both have one distribution.

    Each point of the data has a ball, whose radius is the distance to the k-th nearest neighbour within the data. The
    density is the number of balls around a sample, its mean over samples, divided by k. The coverage is the share of
    the balls that contain a sample; its expectation depends on M, N and k only. Return the three numbers.

    Hint: ``scipy.spatial.distance.cdist``; all distances may be in memory. Section "Density and coverage".
    """
    raise NotImplementedError


# Exercise 5: extrapolation to infinitely many images (**)
def extrapolated_fid(x, test, sizes, repeats, rng):
    """FID of the features ``x`` (N, D) against ``test`` (M, D), extrapolated to infinitely many samples.

    For each of ``sizes`` (numbers of images, at most N) compute the mean FID of ``repeats`` random subsets of x without
    replacement, by ``rng``, a NumPy generator. Fit ``a + b / size`` by least squares; return the pair (a, b).

    Hint: ``tinygen.evaluation.calculate_fid_score``, ``np.polyfit``. Section "Extrapolation to infinitely many images".
    """
    raise NotImplementedError


# Exercise 6: wrong samples with an FID of 0 (**)
def moment_matched(test, count, rng):
    """Features (count, D) whose mean and covariance are *exactly* those of ``test`` (M, D), but which are Gaussian.

    ``rng`` is a NumPy generator; count > D. The covariance is divided by count - 1 and M - 1, as FID does. The FID is
    then 0 up to rounding, whatever the shape of the test set.

    Hint: subtract the mean of normal numbers z (count, D) and multiply them by a matrix that makes their covariance I,
    then by one that makes it that of ``test``; Cholesky factors serve. Section "What FID does not measure".
    """
    raise NotImplementedError


# Exercise 7: a test for memorisation (**)
def memorisation_score(samples, train, held_out):
    """The probability that one of ``samples`` (M, C, H, W) is nearer to its nearest image of ``train`` than one of
    ``held_out`` (N, C, H, W) is to its own; and the deviation of this probability from 1/2, in standard errors.

    All M N pairs of a sample and a held-out image count, a tie half. The standard error is that for equal
    distributions. Return the two numbers. No array of M x N numbers may be made: the ranks of the M + N distances, with
    the mean rank for ties, suffice.

    Hint: ``tinygen.evaluation.nearest``, ``scipy.stats.rankdata``. Section "Memorisation".
    """
    raise NotImplementedError


# Exercise 8: precision and recall in bounded memory (***)
def precision_and_recall(data, samples, k=3):
    """The precision and recall (Kynkäänniemi et al. 2019) of ``samples`` (N, D) with respect to ``data`` (M, D).

    Precision is the share of the samples in the union of balls around the data, whose radii are the distances to the
    k-th nearest neighbour within the data; recall is the same with the sets exchanged. Return the pair.

    No array of N x M, N x N or M x M numbers may be made: compute the radii for a few hundred points at a time, and
    decide the union by ``tinygen.evaluation.nearest`` with one further coordinate. ``nearest`` takes images, so points
    (n, D + 1) become (n, D + 1, 1, 1), and its distances are root *mean* squares. Note that a slice of an array is a
    view, which keeps the whole array in memory.

    Section "Precision and recall".
    """
    raise NotImplementedError
