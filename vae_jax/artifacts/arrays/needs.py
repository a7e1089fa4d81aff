"""The needs of figures, in words."""

CONTINUOUS = "continuous z, such as vae"

NEEDS = {
    "traversal": "a model with a prior and " + CONTINUOUS,
    "walk_straight": "a model with " + CONTINUOUS,
    "kl_per_dimension": "a model whose KL has a term for each latent dimension (a vae with the prior N(0, I))",
    "history": "a metrics.jsonl with at least one epoch",
    "manifold_even": "a model with the prior N(0, I) (a vae) and latent_dim=2",
    "normal_quantiles": "a model with the prior N(0, I) (a vae)",
    "film_steps": "latents stored while training: --config.log.latent_every_steps=N",
    "tsne_points": "at least 4 test images",
}
"""The needs of an array that a run may lack; any array that is not listed needs a model with a prior."""
