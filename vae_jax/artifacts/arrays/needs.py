"""The needs of figures, in words."""

CONTINUOUS = "continuous z, such as vae"

NEEDS = {
    "traversal": "a model with a prior and z that are any numbers, such as vae with its own posterior",
    "walk_straight": "a model with " + CONTINUOUS,
    "kl_per_dimension": "a model whose KL has a term for each latent dimension (a vae with the prior N(0, I))",
    "history": "a metrics.jsonl with at least one epoch",
    "manifold_even": "a model with the prior N(0, I) (a vae) and latent_dim=2",
    "normal_quantiles": "a model with the prior N(0, I) (a vae)",
    "film_steps": "latents stored while training: --config.log.latent_every_steps=N",
    "temperature_samples": "a prior with a temperature (any but those of discrete codes and of a sphere)",
    "neighbour_samples": "a model with a prior, and at least 2 training images",
    "neighbour_matrix": "test images of at least two named classes",
    "plane_tiles": "latent_dim=2 and " + CONTINUOUS,
    "variations": "a model with " + CONTINUOUS,
    "corners": "at least 4 test images and a model with " + CONTINUOUS,
    "activity_epochs": "latents stored while training: --config.log.latent_every_steps=N",
    "errors": "a likelihood with pixel means (any but pixelcnn), since a draw has no error of its own",
    "sigma_map": "a likelihood that learns sigma: gaussian with gaussian.sigma_mode=learned or optimal, or "
    "discretized_logistic",
    "components": "a mixture as the prior: prior=mixture or prior=vamp",
    "tsne_points": "at least 4 test images",
}
"""The needs of an array that a run may lack; any array that is not listed needs a model with a prior."""
