"""A two-sample test by a classifier between codes and draws from the prior (Lopez-Paz and Oquab 2017)."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class TwoSample(NamedTuple):
    """The results of a classifier on held-out codes and prior draws, equally many of each."""

    accuracy: float
    """The share of correct answers; 0.5 is guessing. 2 accuracy - 1 is at most the total variation distance of the two."""
    accuracy_error: float
    auc: float
    """The probability that the classifier ranks a code above a prior draw."""
    auc_error: float
    """The standard error of the auc, by DeLong et al. (1988)."""
    p_value: float
    """The one-sided binomial probability of as many correct answers, or more, by guessing."""
    num_held_out: int
    """The number of held-out codes, and of held-out draws."""


def two_sample_test(codes: Float[np.ndarray, "N D"], draws: Float[np.ndarray, "N D"], seed: int) -> TwoSample:
    """Train a small neural network on a random half of codes and prior draws, and test it on the other half.

    It detects wrong marginals and dependence between dimensions. It may overlook differences, but its accuracy is not
    optimistic, because it is measured on the other half. The seed is that of the halves and of the classifier.
    """
    # Imported here because scikit-learn is a large part of the start-up time. It requires threadpoolctl.
    from scipy.stats import binom
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    count = min(len(codes), len(draws))
    half = count // 2
    rng = np.random.default_rng(seed)
    parts = [values[rng.permutation(len(values))[:count]] for values in (codes, draws)]
    training = {"learning_rate_init": 2e-3, "early_stopping": True, "n_iter_no_change": 20}
    network = MLPClassifier((128, 128), alpha=0.1, random_state=seed, **training)
    classifier = make_pipeline(StandardScaler(), network)
    # The matrices are small: threads would wait for each other, on a busy machine ten times as long as they work.
    with threadpool_limits(1):
        classifier.fit(np.concatenate([part[:half] for part in parts]), np.repeat([1, 0], half))
        scores = [classifier.predict_proba(part[half:])[:, 1] for part in parts]
    held_out = len(scores[0])
    correct = int((scores[0] > 0.5).sum() + (scores[1] <= 0.5).sum())
    accuracy = correct / (2 * held_out)
    auc, auc_error = area(*scores)
    p_value = float(binom.sf(correct - 1, 2 * held_out, 0.5))
    error = math.sqrt(max(accuracy * (1 - accuracy), 1e-12) / (2 * held_out))
    return TwoSample(accuracy, error, auc, auc_error, p_value, held_out)


def area(above: Float[np.ndarray, " n"], below: Float[np.ndarray, " m"]) -> tuple[float, float]:
    """Return the probability that a value of `above` is larger than one of `below`, and its standard error; ties count half."""
    from scipy.stats import rankdata

    together = rankdata(np.concatenate([above, below]))
    n, m = len(above), len(below)
    above_wins = (together[:n] - rankdata(above)) / m
    below_loses = 1 - (together[n:] - rankdata(below)) / n
    error = math.sqrt(above_wins.var(ddof=1) / n + below_loses.var(ddof=1) / m)
    return float(above_wins.mean()), error
