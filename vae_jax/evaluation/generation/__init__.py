"""Measures of what a model generates."""

from vae_jax.evaluation.generation.classifier import Classifier, fit_classifier, predict, probabilities
