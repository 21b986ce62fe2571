# %% [markdown]
# # {{ title }}
#
# What this notebook shows, in a sentence.

# %% tags=["parameters"]
SEED = 0  # arms are compared over the seeds 5*SEED … 5*SEED+4
THREADS = 1  # of the processor
SITE = ""  # where data files are fetched from when the notebook is opened alone

# %% [markdown]
# ## The set-up
#
# A sentence of prose stands before each cell.

# %%
import numpy as np

samples = np.array([
    np.random.default_rng(5 * SEED + i).normal(loc=1.0, size=1000) for i in range(5)
])
means = samples.mean(axis=1)

# %% [markdown]
# ## What is claimed
#
# A claim is a sentence, a measured value, and an assert that fails under its counterfactual.

# %% tags=["claim"] falsify="means = means - 1.0"
# claim means-agree: The mean of each of five samples lies within a quarter of the true mean.
measured = f"means {means.min():.2f} to {means.max():.2f} (5 seeds, true mean 1)"
assert abs(means - 1.0).max() < 0.25, measured
measured

# %% [markdown]
# What the text may quote.

# %% tags=["results"]
{"sample_mean": round(float(means.mean()), 4)}
