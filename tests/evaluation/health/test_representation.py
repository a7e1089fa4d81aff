"""Classification from codes: on codes that contain the classes, and on codes that do not."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score
from support.constructed import draws, linear_images

from vae_jax.evaluation.health.representation import Labelled, difference_error, representation_lines
from vae_jax.evaluation.health.verdicts import UNDECIDED

IMAGES = linear_images(500, 1)
NOISE = draws(500, 2, seed=9)
LABELS = (IMAGES[:, 0, 0, 0] > 127).astype(np.int32)
WAYS = ("logistic regression", "10 neighbours", "clusters")


def lines(means: np.ndarray, labels: np.ndarray = LABELS):
    train, test = (Labelled(means[part], IMAGES[part], labels[part]) for part in (slice(300), slice(300, None)))
    return {line.name: line for line in representation_lines(train, test, 0)}


def test_codes_that_contain_the_classes_score_above_pixels_and_noise_scores_below():
    perfect = LABELS[:, None] * np.ones((1, 2)) + 0.1 * NOISE
    for means, word in ((perfect, "better than PCA 2"), (NOISE, "worse than PCA 2")):
        found = lines(means)
        for way in WAYS[:2]:
            assert found[way].verdict == word
            assert "(300 train, 200 test images)" in found[way].measured
    assert lines(perfect)["clusters"].numbers["scores"]["means"] == pytest.approx(1)
    assert lines(NOISE)["clusters"].numbers["scores"]["means"] < 0.1


def test_scores_are_computed_on_held_out_images():
    """A rule that is reversed between training and test images is always wrong on test images."""
    turned = np.where(np.arange(500) < 300, LABELS, 1 - LABELS)
    perfect = LABELS[:, None] * np.ones((1, 2)) + 0.1 * NOISE
    scores = {way: line.numbers["scores"]["means"] for way, line in lines(perfect, turned).items()}
    assert scores == {"logistic regression": 0, "10 neighbours": 0, "clusters": pytest.approx(1)}


def test_components_are_computed_from_the_training_images():
    """The class is in the one pixel that varies in training images; in test images a meaningless one varies more."""
    images = np.zeros((500, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0] = np.where(LABELS, 130, 120)
    images[300:, 1, 1, 0] = np.random.default_rng(0).integers(0, 256, 200)
    train, test = (Labelled(NOISE[part, :1], images[part], LABELS[part]) for part in (slice(300), slice(300, None)))
    _, neighbours, _ = representation_lines(train, test, 0)
    assert neighbours.numbers["scores"]["PCA 1"] == 1


@pytest.mark.slow
def test_the_error_covers_the_chance_difference_of_clusterings_of_few_images():
    """Both assign the right class to 70% of the images, so that neither is better."""

    def clustered(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        return np.where(rng.random(len(labels)) < 0.7, labels, rng.integers(0, 10, len(labels)))

    differences, errors = [], []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 10, 200, np.int32)
        one, other = clustered(rng, labels), clustered(rng, labels)
        scores = [normalized_mutual_info_score(labels, found) for found in (one, other)]
        differences.append(scores[0] - scores[1])
        errors.append(difference_error(labels, one, other))
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.2)
    assert (np.abs(differences) > 2 * np.array(errors)).mean() < 0.12


def test_scores_are_reported_for_codes_components_and_pixels():
    found = lines(draws(500, 3))
    assert list(found["logistic regression"].numbers["scores"]) == ["means", "PCA 3", "pixels"]
    assert list(found["clusters"].numbers["scores"]) == ["means", "PCA 3"]


def test_without_labels_a_single_line_is_reported():
    found = lines(NOISE, np.zeros(500, np.int32))
    assert [line.measured for line in found.values()] == ["the images have no labels, or all the same"]
    assert found["representation"].verdict == UNDECIDED


def test_codes_that_are_computed_from_the_class_are_not_asked_for_it():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60).astype(np.int32)
    images = rng.integers(0, 256, (60, 4, 4, 1), np.uint8)
    both = Labelled(labels[:, None].astype(np.float32), images, labels)
    (found,) = representation_lines(both, both, 0, conditional=True)
    assert (found.verdict, "give the class away" in found.measured) == ("undecided", True)
