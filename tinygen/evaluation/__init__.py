"""Evaluation: what a trained model is worth, in numbers and in pictures' raw material."""

from tinygen.evaluation.likelihood import elbo as elbo
from tinygen.evaluation.likelihood import estimate_log_likelihood as estimate_log_likelihood
from tinygen.evaluation.likelihood import log_likelihood as log_likelihood
from tinygen.evaluation.mixtures import ModeCoverage as ModeCoverage
from tinygen.evaluation.mixtures import mode_coverage as mode_coverage
from tinygen.evaluation.pictures import interpolate as interpolate
from tinygen.evaluation.pictures import reconstruct as reconstruct
