"""Divergences between two distributions: estimates by networks from samples, and closed forms.

A divergence is the maximum of a lower bound over all functions. So an estimate trains a network on samples of the two
distributions to maximise the bound, and evaluates the bound on further samples.
"""

from tinygen.divergences.estimate import WassersteinDual as WassersteinDual
from tinygen.divergences.estimate import density_from_discriminator as density_from_discriminator
from tinygen.divergences.estimate import estimate_f_divergence as estimate_f_divergence
from tinygen.divergences.estimate import estimate_jensen_shannon as estimate_jensen_shannon
from tinygen.divergences.estimate import estimate_squared_hellinger as estimate_squared_hellinger
from tinygen.divergences.estimate import estimate_wasserstein as estimate_wasserstein
from tinygen.divergences.estimate import measure_wasserstein as measure_wasserstein
from tinygen.divergences.exact import jensen_shannon_by_quadrature as jensen_shannon_by_quadrature
from tinygen.divergences.exact import jensen_shannon_of_lines as jensen_shannon_of_lines
from tinygen.divergences.exact import kullback_leibler_of_gaussians as kullback_leibler_of_gaussians
from tinygen.divergences.exact import pearson_of_gaussians as pearson_of_gaussians
from tinygen.divergences.exact import squared_hellinger_of_gaussians as squared_hellinger_of_gaussians
from tinygen.divergences.exact import squared_hellinger_of_lines as squared_hellinger_of_lines
from tinygen.divergences.exact import wasserstein_of_gaussians as wasserstein_of_gaussians
from tinygen.divergences.exact import wasserstein_of_lines as wasserstein_of_lines
from tinygen.objectives import gradient_penalty as gradient_penalty
from tinygen.objectives import lipschitz_penalty as lipschitz_penalty
