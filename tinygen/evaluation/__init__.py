"""Evaluation: what a trained model is worth, in numbers and in pictures' raw material."""

from tinygen.evaluation.extraction import image_features as image_features
from tinygen.evaluation.frechet import calculate_fid_score as calculate_fid_score
from tinygen.evaluation.frechet import frechet_distance as frechet_distance
from tinygen.evaluation.frechet_sampling import FIDInfinity as FIDInfinity
from tinygen.evaluation.frechet_sampling import fid_infinity as fid_infinity
from tinygen.evaluation.frechet_sampling import fid_standard_error as fid_standard_error
from tinygen.evaluation.kid import calculate_kid_score as calculate_kid_score
from tinygen.evaluation.likelihood import effective_sample_size as effective_sample_size
from tinygen.evaluation.likelihood import elbo as elbo
from tinygen.evaluation.likelihood import estimate_log_likelihood as estimate_log_likelihood
from tinygen.evaluation.likelihood import log_likelihood as log_likelihood
from tinygen.evaluation.likelihood import log_weights as log_weights
from tinygen.evaluation.likelihood import measure_likelihoods as measure_likelihoods
from tinygen.evaluation.mixtures import ModeCoverage as ModeCoverage
from tinygen.evaluation.mixtures import mode_coverage as mode_coverage
from tinygen.evaluation.pictures import encode as encode
from tinygen.evaluation.pictures import interpolate as interpolate
from tinygen.evaluation.pictures import manifold as manifold
from tinygen.evaluation.pictures import reconstruct as reconstruct
