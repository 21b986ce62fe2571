# %% [markdown]
# # Residual networks
# Plain and residual networks of up to 34 layers learn scikit-learn's digits. Both kinds have
# batch normalisation, the same weights at the start and the same mini-batches. One addition
# differs.

# %% tags=["parameters"]
SEED = 0     # the five seeds are 5*SEED ... 5*SEED+4
THREADS = 1  # one thread makes the run repeatable
SITE = ""    # unused here: the data come with scikit-learn

# %% [markdown]
# Everything random below is drawn from seeded generators.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib_inline.backend_inline import set_matplotlib_formats
from sklearn.datasets import load_digits

started = time.process_time()
torch.set_num_threads(THREADS)
torch.use_deterministic_algorithms(True)

# %% [markdown]
# Figures are stored as SVG without a date, so that a second run gives the same file.

# %%
set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})
plt.rcParams.update({
    "svg.hashsalt": "17-residual-networks", "figure.figsize": (6.4, 3.4), "font.size": 10,
    "savefig.transparent": True, "figure.facecolor": "none", "axes.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False})
BLUE, ORANGE, GREEN, PURPLE, GREY = "#2f7fc1", "#d9822b", "#1a9a72", "#b05fa3", "#7f7f7f"

# %% [markdown]
# ## Two networks that differ in one addition
# Each seed shuffles the 1,797 digits, trains on 1,000 and keeps the rest for testing. The five
# seeds run side by side: the first axis of every array is the seed, the last one the example.

# %%
seeds = range(5 * SEED, 5 * SEED + 5)
images, labels = load_digits(return_X_y=True)
orders = [np.random.default_rng(s).permutation(len(labels)) for s in seeds]
x = torch.tensor(np.stack([images[o].T / 16 for o in orders]), dtype=torch.float32)
y = torch.tensor(np.stack([labels[o] for o in orders]))
x_train, x_test = x[:, :, :1000], x[:, :, 1000:]  # (5, 64, 1000) and (5, 64, 797)
y_train, y_test = y[:, :1000], y[:, 1000:]

# %% [markdown]
# A network has `depth` layers with weights; the hidden ones have 32 units. He et al.'s
# initialisation draws a weight with variance 2 / inputs. Gain and shift belong to batch
# normalisation.

# %%
def initialise(depth, width=32):
    sizes = [64] + [width] * (depth - 1) + [10]
    draws = [torch.Generator().manual_seed(s) for s in seeds]
    weights = [torch.stack([torch.randn(o, i, generator=g) for g in draws]) * (2 / i) ** 0.5
               for i, o in zip(sizes, sizes[1:])]
    gains = [torch.ones(5 * width) for _ in range(depth - 1)]
    shifts = [torch.zeros(5 * width) for _ in range(depth - 1)]
    for parameter in weights + gains + shifts:
        parameter.requires_grad_()
    return {"weights": weights, "gains": gains, "shifts": shifts}

# %% [markdown]
# A layer multiplies by its weights and normalises each unit over the examples it is given. The
# statistics are those of the batch at hand, in training and, here, in testing too.

# %%
def layer(net, l, h):
    z = net["weights"][l] @ h  # (5, 32, inputs) @ (5, inputs, n) -> (5, 32, n)
    channels = z.reshape(1, -1, z.shape[2])  # 5 * 32 channels, each normalised by itself
    z_hat = F.batch_norm(channels, None, None, net["gains"][l], net["shifts"][l], training=True)
    return z_hat.view_as(z)

# %% [markdown]
# Two layers make a block. **The line marked below is the only difference between the two
# networks:** the residual one adds the block's input to its output. Nothing is learned in that
# addition.

# %%
def forward(net, x, residual, removed=None):
    h = F.relu(layer(net, 0, x))
    outputs = []
    for l in range(1, len(net["weights"]) - 1, 2):
        if l == removed:
            continue
        f = layer(net, l + 1, F.relu(layer(net, l, h)))
        h = F.relu(h + f) if residual else F.relu(f)  # the skip connection
        outputs.append(h)
    return net["weights"][-1] @ h, outputs  # logits (5, 10, n); one (5, 32, n) per block

# %% [markdown]
# What the skip connection does to derivatives can be written down. Ten blocks without
# normalisation, each $h + F(h)$ with $F(h) = W_2\,\mathrm{ReLU}(W_1\,\mathrm{ReLU}(h))$, in
# double precision:

# %%
draw = torch.Generator().manual_seed(SEED)
pairs = torch.randn(10, 2, 8, 8, generator=draw, dtype=torch.float64) * 0.5

def branch(k, h):
    return pairs[k, 1] @ torch.relu(pairs[k, 0] @ torch.relu(h))

# %% [markdown]
# The stack adds one branch after the other to the signal.

# %%
def stack(h):
    for k in range(10):
        h = h + branch(k, h)
    return h

# %% [markdown]
# Autograd gives the Jacobian of the whole stack. By the chain rule it should be the product of
# the factors $I + \partial F/\partial h$, each taken where the signal passes.

# %%
def branch_jacobians(h):
    found = []
    for k in range(10):
        found.append(torch.autograd.functional.jacobian(lambda v: branch(k, v), h))
        h = h + branch(k, h)
    return found

# %% [markdown]
# Both are taken at one random input.

# %%
start = torch.randn(8, generator=draw, dtype=torch.float64)
whole = torch.autograd.functional.jacobian(stack, start)
factors = [torch.eye(8, dtype=torch.float64) + J for J in branch_jacobians(start)]

# %% [markdown]
# The comparison is exact but for rounding.

# %% tags=["claim"] falsify="factors = branch_jacobians(start)"
# claim jacobian-is-identity-plus: The Jacobian of ten stacked pre-activation residual blocks
#   without normalisation is the product of ten factors, identity plus the Jacobian of the branch,
#   to rounding.
product = torch.linalg.multi_dot(factors[::-1])
difference = float((product - whole).abs().max() / whole.abs().max())
measured = "relative difference " + ("below 1e-12" if difference < 1e-12 else f"{difference:.1e}")
assert difference < 1e-12, measured
measured

# %% [markdown]
# ## Deeper is worse, on the training data
# Stochastic gradient descent with momentum 0.9. A run is 150 mini-batches of 128 unless said;
# the last four arguments are for longer runs further down.

# %%
def gradients(net, x, y, residual):
    logits, _ = forward(net, x, residual)
    loss = F.cross_entropy(logits, y, reduction="sum") / y.shape[1]  # a mean for each seed
    return torch.autograd.grad(loss, net["weights"] + net["gains"] + net["shifts"])

# %% [markdown]
# The size of a gradient is its Euclidean norm, for each seed.

# %%
def size(tensor):
    return tensor.detach().flatten(1).norm(dim=1)  # (5,)

# %% [markdown]
# The error is the fraction of images that get a wrong label, for each seed.

# %%
def error(net, x, y, residual, removed=None):
    with torch.no_grad():
        logits, _ = forward(net, x, residual, removed)
    return (logits.argmax(1) != y).double().mean(1).numpy()

# %% [markdown]
# Batch normalisation makes a layer ignore the scale of its weights. How far a gradient turns them
# depends on its size relative to theirs. For each 32 x 32 weight matrix:

# %%
def relative(hidden, net):
    return torch.stack([size(g) / size(w) for g, w in zip(hidden, net["weights"][1:-1])])

# %% [markdown]
# The training loop, written out. Every 25 steps it notes the training error and the relative
# gradient of the first block's first matrix over that of the last block's last one.

# %%
def train(depth, residual, rate=0.1, steps=150, batch=128, falling=False, equalise=False):
    net = initialise(depth)
    parameters = net["weights"] + net["gains"] + net["shifts"]
    velocity = [torch.zeros_like(p) for p in parameters]
    draw = torch.Generator().manual_seed(SEED)
    curve, ratios = [], []
    for step in range(steps + 1):
        pick = torch.randint(1000, (batch,), generator=draw)
        grads = gradients(net, x_train[:, :, pick], y_train[:, pick], residual)
        if step % 25 == 0:
            curve.append(error(net, x_train, y_train, residual))
            sizes = relative(grads[1:depth - 1], net)
            ratios.append((sizes[0] / sizes[-1]).numpy())
        if step == steps:
            return {"net": net, "curve": np.array(curve), "ratios": np.array(ratios)}
        with torch.no_grad():
            for p, v, g in zip(parameters, velocity, grads):
                if equalise and p.dim() == 3:  # a weight matrix: its step ignores the size of g
                    g = g * (size(p) / (size(g) + 1e-12))[:, None, None]
                p.sub_(v.mul_(0.9).add_(g), alpha=rate * (1 - falling * step / steps))

# %% [markdown]
# The plain network at three depths, the residual one at two, five seeds each.

# %%
kinds = [("plain", 10), ("plain", 18), ("plain", 34), ("residual", 10), ("residual", 34)]
runs = {(kind, depth): train(depth, kind == "residual") for kind, depth in kinds}

# %% [markdown]
# How much each gets right at the end, as a mean over the seeds. The test images lag little
# behind. At 18 layers the degradation already shows.

# %% tolerance=0.25
test = {key: error(run["net"], x_test, y_test, key[0] == "residual") for key, run in runs.items()}
for (kind, depth), run in runs.items():
    seen, unseen = 100 - 100 * run["curve"][-1].mean(), 100 - 100 * test[kind, depth].mean()
    print(f"{kind:8} {depth} layers: {seen:.1f} % of the training images, "
          f"{unseen:.1f} % of the test images")

# %% [markdown]
# The curves show the training error, where a bigger network ought to have the advantage.

# %% alt="Training error over 150 steps. Plain with 10 and residual with 34 layers fall close to zero. Plain with 18 layers falls later and ends at {{plain18:.2f}}. Plain with 34 layers falls slowly and ends at {{plain34:.2f}}, with the range of its seeds far above the others." caption="The deeper the plain network, the worse it has fitted its own training data, so this is not overfitting. The numbers in the legend count layers. Lines are means over five seeds, bands their range."
fig, ax = plt.subplots()
looks = {("plain", 10): (BLUE, "o--"), ("plain", 18): (GREY, "^--"),
         ("plain", 34): (ORANGE, "s-"), ("residual", 34): (GREEN, "D-")}
for key, (colour, style) in looks.items():
    curve = runs[key]["curve"]
    steps = 25 * np.arange(len(curve))
    ax.plot(steps, curve.mean(1), style, color=colour, ms=4, label=f"{key[0]} {key[1]}")
    ax.fill_between(steps, curve.min(1), curve.max(1), color=colour, alpha=0.2, lw=0)
ax.set(xlabel="step", ylabel="training error", ylim=(0, 1))
ax.legend(frameon=False, loc="upper right", ncols=2)
plt.show()

# %% [markdown]
# First the degradation: the same plain recipe, 34 layers against 10. Errors near zero are told as
# a bound, rounded up to a twentieth.

# %%
plain10, plain18, plain34, residual34 = (runs[key]["curve"][-1] for key in looks)
degradation, remedy = plain34 - plain10, plain34 - residual34

def bound(errors):
    return float(np.ceil(20 * errors.max()) / 20)

# %% [markdown]
# More layers, a worse fit to the training data:

# %% tags=["claim"] tolerance=0.25 falsify="plain10, plain34 = plain34, plain10; degradation = plain34 - plain10"
# claim degradation-in-training-error: The plain 34-layer network ends with a training error at
#   least 0.2 above that of the plain 10-layer network, on average over five seeds.
measured = (f"10 layers at most {bound(plain10):.2f}, 34 layers {plain34.mean():.2f}, "
            f"worst gap {degradation.min():.2f}")
assert degradation.mean() > 0.2, measured
measured

# %% [markdown]
# Then the remedy: the same depth, the same parameters, the same start, plus the addition.

# %% tags=["claim"] tolerance=0.25 falsify="plain34, residual34 = residual34, plain34; remedy = plain34 - residual34"
# claim residual-34-trains: The residual 34-layer network ends with a training error below 0.1 and
#   at least 0.2 under that of the plain 34-layer network, on average over five seeds.
measured = (f"plain {plain34.mean():.2f}, residual at most {bound(residual34):.2f}, "
            f"worst gap {remedy.min():.2f}")
assert residual34.mean() < 0.1 and remedy.mean() > 0.2, measured
measured

# %% [markdown]
# Does the deep plain network lack a good solution? One can be built: take the trained 10 layers
# and insert 24 layers that compute the identity on the training set. Weights $I$, gain = standard
# deviation, shift = mean undo the normalisation, and the ReLU leaves what is not negative as it
# is.

# %%
donor = runs["plain", 10]["net"]
with torch.no_grad():
    _, outputs = forward(donor, x_train, residual=False)
    h = outputs[-1]  # (5, 32, 1000), not negative
    gain = (h.var(2, unbiased=False) + 1e-5).sqrt().flatten()
    shift = h.mean(2).flatten()
identity = torch.eye(32).expand(5, 32, 32)

# %% [markdown]
# The result is a plain network of 34 layers like any other; only its parameters were not learned.

# %%
built = {"weights": donor["weights"][:-1] + [identity] * 24 + donor["weights"][-1:],
         "gains": donor["gains"] + [gain] * 24, "shifts": donor["shifts"] + [shift] * 24}
built34 = error(built, x_train, y_train, residual=False)

# %% [markdown]
# So the good solution is there, and 150 steps of training from scratch do not reach it.

# %% tags=["claim"] tolerance=0.25 falsify="built34 = plain34"
# claim good-plain-solution-exists: A plain 34-layer network with exactly the training error of
#   the trained 10-layer one exists for every seed, on average at least 0.2 below what 150 steps
#   of training from scratch reach.
gap = plain34 - built34
copied = np.array_equal(built34, plain10)
measured = (f"same as the donor: {copied}, built at most {bound(built34):.2f}, "
            f"trained {plain34.mean():.2f}, worst gap {gap.min():.2f}")
assert copied and gap.mean() > 0.2, measured
measured

# %% [markdown]
# ## Do the gradients vanish?
# The gradient of every hidden 32 x 32 weight matrix before training, on 500 images. A network of
# 34 layers has 32 of them, two in each of 16 blocks.

# %%
half_a, half_b = slice(0, 500), slice(500, 1000)

def weight_gradients(net, part, residual):
    depth = len(net["weights"])
    return gradients(net, x_train[:, :, part], y_train[:, part], residual)[1:depth - 1]

start_net = initialise(34)
before = {kind: weight_gradients(start_net, half_a, kind == "residual")
          for kind in ("plain", "residual")}

# %% [markdown]
# First over last: a vanishing gradient is a ratio far below one.

# %%
at_start, at_start_residual = ((size(grads[0]) / size(grads[-1])).numpy()
                               for grads in before.values())

# %% [markdown]
# In the plain network it is far above one.

# %% tags=["claim"] tolerance=0.25 falsify="at_start = 1 / at_start"
# claim gradients-start-large: Before training, the gradient of the first block's first weight
#   matrix is more than 50 times that of the last block's last one in the plain 34-layer network,
#   on (geometric) average over five seeds.
measured = f"first/last {at_start.min():.0f} to {at_start.max():.0f}"
assert np.exp(np.log(at_start).mean()) > 50, measured
measured

# %% [markdown]
# And in training? How far did each network's first block grow, and what is its relative gradient
# then, averaged geometrically over the steps?

# %%
def first_block(kind):
    run = runs[kind, 34]
    growth = size(run["net"]["weights"][1]) / size(start_net["weights"][1])
    return growth.numpy(), np.exp(np.log(run["ratios"][1:]).mean(0))

growth, in_training = first_block("plain")
growth_residual, in_training_residual = first_block("residual")

# %% [markdown]
# The first large steps throw the early weights of the plain network far out. Large weights under
# batch normalisation hardly turn any more.

# %% tags=["claim"] tolerance=0.25 falsify="growth, in_training = growth_residual, in_training_residual"
# claim early-layers-blow-up: In training, the first block's weights grow more than fivefold in the
#   plain 34-layer network, and relative to the weights its gradient is less than a tenth of the
#   last block's, on average over five seeds.
slow = np.exp(np.log(in_training).mean()) < 0.1
measured = f"growth {growth.min():.0f} to {growth.max():.0f}, less than a tenth: {slow}"
assert growth.mean() > 5 and slow, measured
measured

# %% [markdown]
# The relative gradients of all layers, before training and after it.

# %%
after = weight_gradients(runs["plain", 34]["net"], half_a, False)
pulls = {kind: relative(grads, start_net).numpy() for kind, grads in before.items()}
pulls["after"] = relative(after, runs["plain", 34]["net"]).numpy()  # (32 matrices, 5 seeds)

# %% [markdown]
# Three curves, with the first weight matrix of each block: where do gradients turn the weights
# quickly, where slowly?

# %% alt="Norm of the gradient over norm of the weights in 16 blocks, logarithmic. Before training the plain network's curve falls steadily from the first block to the last, by a factor of more than 50; the residual network's falls far less. After training the plain network's curve rises: the first blocks have the smallest values." caption="In the deep plain network with batch normalisation gradients explode on the way back. The steps they cause blow up the early weights, which then hardly turn. Geometric means over five seeds, bands their range."
fig, ax = plt.subplots()
names = {"plain": ("plain, start", ORANGE, "s-"),
         "residual": ("residual, start", GREEN, "D-"),
         "after": ("plain, trained", GREY, "^--")}
block = np.arange(1, 17)
for kind, (label, colour, style) in names.items():
    pull = pulls[kind][::2]
    ax.semilogy(block, np.exp(np.log(pull).mean(1)), style, color=colour, ms=4, label=label)
    ax.fill_between(block, pull.min(1), pull.max(1), color=colour, alpha=0.2, lw=0)
ax.minorticks_off()
ax.set(xlabel="block", ylabel="gradient / weights")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Is the explosion the cause? `equalise` gives each weight matrix a gradient of its own norm, so
# that all turn by about the same angle. And is 150 steps too short? Both arms now take 350 steps
# of 256 images while the rate falls to zero. Both rates come from trials.

# %%
plan = {"steps": 350, "batch": 256, "falling": True}
longer = train(34, False, **plan)["curve"]
equalised = train(34, False, rate=0.003, equalise=True, **plan)["curve"]

# %% [markdown]
# The two side by side.

# %% alt="Training error of the plain 34-layer network over 350 steps. Without rescaling it falls slowly and flattens above {{longer_above:.2f}}. With equalised gradients it falls steadily, past {{equal_150:.2f}} at step 150, and ends below {{equal_below:.2f}}." caption="With gradients of equal relative size the deep plain network does learn its training data, slowly. Without, 350 steps are not enough. Lines are means over five seeds, bands their range."
fig, ax = plt.subplots()
for curve, colour, style, label in ((longer, ORANGE, "s-", "plain"),
                                    (equalised, PURPLE, "o--", "plain, equalised")):
    steps = 25 * np.arange(len(curve))[::2]
    curve = curve[::2]
    ax.plot(steps, curve.mean(1), style, color=colour, ms=4, label=label)
    ax.fill_between(steps, curve.min(1), curve.max(1), color=colour, alpha=0.2, lw=0)
ax.set(xlabel="step", ylabel="training error", ylim=(0, 1))
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Rescaled, the deep plain network learns; with more steps alone it falls behind. Rescaling evens
# out the layers and also fixes the size of each step: this comparison cannot tell the two apart.

# %% tags=["claim"] tolerance=0.35 falsify="equalised, longer = longer, equalised"
# claim equalising-rescues-slowly: With 350 steps of 256 images at a rate falling to zero, the
#   plain 34-layer network with equalised gradients ends below 0.25 training error and at least
#   0.1 below the one without, on average over five seeds.
gap = longer[-1] - equalised[-1]
measured = (f"equalised at most {bound(equalised[-1]):.2f}, without {longer[-1].min():.2f} to "
            f"{longer[-1].max():.2f}, worst gap {gap.min():.2f}")
assert equalised[-1].mean() < 0.25 and gap.mean() > 0.1, measured
measured

# %% [markdown]
# The other direction, for fairness: 32 hidden layers *without* normalisation, with the weights
# and biases that PyTorch draws by default.

# %%
def default_ratio(seed, residual):
    torch.manual_seed(seed)
    entry, exit = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)
    hidden = [torch.nn.Linear(32, 32) for _ in range(32)]
    h = F.relu(entry(x_train[seed % 5].T))
    for first, second in zip(hidden[::2], hidden[1::2]):
        f = second(F.relu(first(h)))
        h = F.relu(h + f) if residual else F.relu(f)
    F.cross_entropy(exit(h), y_train[seed % 5]).backward()
    return float(hidden[0].weight.grad.norm() / hidden[-1].weight.grad.norm())

# %% [markdown]
# Here the textbook story is true.

# %%
bare_plain = np.array([default_ratio(s, False) for s in seeds])
bare_residual = np.array([default_ratio(s, True) for s in seeds])

# %% [markdown]
# Small weights without normalisation make the gradient vanish; the addition prevents it.

# %% tags=["claim"] tolerance=0.25 falsify="bare_plain, bare_residual = bare_residual, bare_plain"
# claim without-normalisation-they-vanish: Without normalisation and with PyTorch's default
#   initialisation the gradient of the first block's first weight matrix is less than a millionth
#   of the last block's last one in the plain network and more than a hundredth of it in the
#   residual one, with every seed.
measured = (f"plain at most {bare_plain.max():.0e}, "
            f"residual {bare_residual.min():.2f} to {bare_residual.max():.2f}")
assert bare_plain.max() < 1e-6 and bare_residual.min() > 0.01, measured
measured

# %% [markdown]
# ## What the deep plain network loses
# Before any training: how much of the classes is left after each block? Each image looks for its
# nearest neighbour among 499 others, by the block's output. Chance is one in ten.

# %%
def neighbour_accuracy(h, y):
    distance = torch.cdist(h.transpose(1, 2), h.transpose(1, 2))  # (5, n, n)
    distance.diagonal(dim1=1, dim2=2).fill_(float("inf"))
    nearest = distance.argmin(2)
    return (torch.gather(y, 1, nearest) == y).double().mean(1).numpy()

# %% [markdown]
# The same weights serve both networks, block by block.

# %%
signal = {}
with torch.no_grad():
    for kind in ("plain", "residual"):
        _, outputs = forward(start_net, x_train[:, :, half_a], kind == "residual")
        signal[kind] = np.array([neighbour_accuracy(h, y_train[:, half_a]) for h in outputs])
pixels = neighbour_accuracy(x_train[:, :, half_a], y_train[:, half_a])

# %% [markdown]
# And do the gradients point anywhere? The gradients of two halves of the training set are
# compared, layer by layer: a cosine of 1 is full agreement, 0 none.

# %%
def agreement(net, residual):
    first = weight_gradients(net, half_a, residual)
    second = weight_gradients(net, half_b, residual)
    return np.array([F.cosine_similarity(a.flatten(1), b.flatten(1)).numpy()
                     for a, b in zip(first, second)])  # (matrices, 5 seeds)

cosines = {"plain": agreement(start_net, False), "residual": agreement(start_net, True)}

# %% [markdown]
# Forward on the left, backward on the right: the first weight matrix of each block.

# %% alt="Two panels, both before training. Left: nearest-neighbour accuracy along 16 blocks; the plain network falls to {{signal_plain:.2f}}, chance, by the tenth, the residual one declines slowly to {{signal_residual:.2f}}. Right: the cosine between the gradients of two halves of the data, block by block; near zero in the plain network except in the last blocks, in the residual one rising steadily along the blocks." caption="Before training the deep plain network has already mixed the classes, and two halves of the data disagree about where its weights should go. Dashed line: chance, or no agreement. Means over five seeds, bands their range."
fig, (left, right) = plt.subplots(1, 2)
for kind, colour, style in (("plain", ORANGE, "s-"), ("residual", GREEN, "D-")):
    for ax, values in ((left, signal[kind]), (right, cosines[kind][::2])):
        values = values[::3]  # blocks 1, 4, ... 16
        ax.plot(block[::3], values.mean(1), style, color=colour, ms=4, label=kind)
        ax.fill_between(block[::3], values.min(1), values.max(1), color=colour, alpha=0.2, lw=0)
left.axhline(0.1, color=GREY, ls="--", lw=1)
right.axhline(0, color=GREY, ls="--", lw=1)
left.set(xlabel="block", ylabel="neighbour accuracy", ylim=(0, 1))
right.set(xlabel="block", ylabel="gradient agreement", ylim=(-0.3, 1))
left.legend(frameon=False)
fig.tight_layout()
plt.show()

# %% [markdown]
# What arrives at the last layer:

# %%
signal_plain, signal_residual = signal["plain"][-1], signal["residual"][-1]

# %% [markdown]
# In the plain network, images of one class are no longer closer than others.

# %% tags=["claim"] tolerance=0.25 falsify="signal_plain, signal_residual = signal_residual, signal_plain"
# claim plain-start-mixes-classes: Before training, nearest-neighbour accuracy at the last block
#   is below 0.2 in the plain 34-layer network and at least 0.08 higher in the residual one, on
#   average over five seeds.
gap = signal_residual - signal_plain
measured = (f"pixels {pixels.mean():.2f}, plain {signal_plain.mean():.2f}, "
            f"residual {signal_residual.mean():.2f}, worst gap {gap.min():.2f}")
assert signal_plain.mean() < 0.2 and gap.mean() > 0.08, measured
measured

# %% [markdown]
# What comes back: the cosine, averaged over the matrices. The shallower plain networks, which
# train, are measured too.

# %%
agree_plain, agree_residual = cosines["plain"].mean(0), cosines["residual"].mean(0)
agree_plain10, agree_plain18 = (agreement(initialise(d), False).mean(0) for d in (10, 18))

# %% [markdown]
# The deeper the plain network, the more each half of the data asks for something else.

# %% tags=["claim"] tolerance=0.25 falsify="agree_plain, agree_residual = agree_residual, agree_plain"
# claim plain-gradients-disagree: Before training, the mean cosine of the gradients of two halves
#   of the data falls from 10 to 18 to 34 layers in the plain network, on average over the seeds;
#   at 34 layers it is below 0.2, and at least 0.2 higher in the residual one, with every seed.
by_depth = [a.mean() for a in (agree_plain10, agree_plain18, agree_plain)]
gap = agree_residual - agree_plain
measured = ("plain " + ", ".join(f"{a:.2f}" for a in by_depth)
            + f", residual {agree_residual.mean():.2f}, worst gap {gap.min():.2f}")
falls = by_depth[0] > by_depth[1] > by_depth[2]
assert falls and agree_plain.max() < 0.2 and gap.min() > 0.2, measured
measured

# %% [markdown]
# ## Remove a block after training
# The 10-layer networks both learned their training data. Now one of their four blocks is skipped,
# without any further training. The residual network is left with the skip connection at that
# place.

# %%
lesions = {kind: np.array([error(runs[kind, 10]["net"], x_train, y_train, kind == "residual",
                                 removed=l) for l in (1, 3, 5, 7)])
           for kind in ("plain", "residual")}  # (4 blocks, 5 seeds)

# %% [markdown]
# Each dot is one seed.

# %% alt="Training error after removing each of four blocks, one dot a seed. In the plain network all dots lie at {{lesion_plain_low:.2f}} or above. In the residual network removing block 1 costs {{lesion_residual_first:.2f}} on average, the later blocks almost nothing." caption="A plain network is a chain: without one link it does little better than guessing. In the residual network each block is a correction to what flows past it; the early corrections matter more."
fig, ax = plt.subplots()
for kind, colour, marker, side in (("plain", ORANGE, "s", -0.12), ("residual", GREEN, "D", 0.12)):
    place = np.repeat(np.arange(1, 5), 5) + side + np.tile(np.linspace(-0.06, 0.06, 5), 4)
    ax.plot(place, lesions[kind].ravel(), marker, color=colour, ms=5, label=kind)
ax.set(xlabel="block removed", ylabel="training error", ylim=(-0.03, 1.03), xticks=[1, 2, 3, 4])
ax.legend(frameon=False, loc="center right")
plt.show()

# %% [markdown]
# Averaged over the four blocks, for each seed:

# %%
lesion_plain, lesion_residual = lesions["plain"].mean(0), lesions["residual"].mean(0)

# %% [markdown]
# The plain chain breaks; the sum holds.

# %% tags=["claim"] tolerance=0.25 falsify="lesion_plain, lesion_residual = lesion_residual, lesion_plain"
# claim removing-a-block: Removing one of the four blocks from a trained 10-layer network leaves a
#   mean training error above 0.6 in the plain network and below 0.25 in the residual one, on
#   average over five seeds.
measured = f"plain {lesion_plain.mean():.2f}, residual {lesion_residual.mean():.2f}"
assert lesion_plain.mean() > 0.6 and lesion_residual.mean() < 0.25, measured
measured

# %% [markdown]
# ## Numbers for the text
# A helper turns arrays into plain numbers.

# %%
def mean(values):
    return float(np.mean(values))

# %% [markdown]
# What the page quotes:

# %% tags=["results"] tolerance=0.35
{
    "plain34": mean(plain34), "plain10_below": bound(plain10),
    "residual34_below": bound(residual34), "plain34_test": mean(test["plain", 34]),
    "first_to_last_plain": float(np.exp(np.log(at_start).mean())),
    "first_to_last_residual": float(np.exp(np.log(at_start_residual).mean())),
    "plain18": mean(plain18), "growth": mean(growth),
    "longer_above": float(np.floor(20 * longer[-1].min()) / 20),
    "equal_150": mean(equalised[6]), "equal_below": bound(equalised[-1]),
    "pixels": mean(pixels), "signal_plain": mean(signal_plain),
    "signal_residual": mean(signal_residual), "agree_plain": mean(agree_plain),
    "agree_plain10": mean(agree_plain10), "agree_plain18": mean(agree_plain18),
    "agree_residual": mean(agree_residual), "lesion_plain": mean(lesion_plain),
    "lesion_residual": mean(lesion_residual), "lesion_plain_low": float(lesions["plain"].min()),
    "lesion_residual_first": mean(lesions["residual"][0]),
    "lesion_residual_last": bound(lesions["residual"][-1]),
}

# %% [markdown]
# The cost of this notebook:

# %% tags=["timing"]
print(f"{time.process_time() - started:.0f} seconds of processor time")
