# %% [markdown]
# # Backpropagation
# The backward pass is written out by hand, checked in two other ways, priced in counted
# operations, and then replaced by other things to see what depends on it.

# %% tags=["parameters"]
SEED = 0      # arms are compared over the seeds 5*SEED ... 5*SEED+4
THREADS = 1   # one thread: the same sums in the same order
SITE = ""     # nothing is downloaded here

# %% [markdown]
# Everything runs in double precision, so that rounding is near $10^{-16}$ and a real
# disagreement cannot hide behind it.

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib_inline.backend_inline import set_matplotlib_formats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.func import vmap
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

torch.set_num_threads(THREADS)
torch.use_deterministic_algorithms(True)
torch.set_default_dtype(torch.float64)
SEEDS = range(5 * SEED, 5 * SEED + 5)

# %% [markdown]
# Figures are drawn on a transparent ground; every line has a marker or a style of its own.

# %%
set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})
plt.rcParams.update({
    "svg.hashsalt": "03-backpropagation", "figure.figsize": (6.4, 3.4),
    "savefig.transparent": True, "figure.facecolor": "none", "axes.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
BLUE, ORANGE, GREEN, PURPLE, GREY = "#2f7fc1", "#d9822b", "#1a9a72", "#b05fa3", "#7f7f7f"

# %% [markdown]
# The data are scikit-learn's 8×8 digits: 1,797 images as rows of 64 numbers. A seed decides
# which `n` of them are for training; the others are for testing.

# %%
digits = load_digits()
pixels, labels = torch.tensor(digits.data) / 16, torch.tensor(digits.target)


def split(seed, n=1000):
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(seed))
    train, test = order[:n], order[n:]
    mean = pixels[train].mean(0)
    return (pixels[train] - mean, labels[train]), (pixels[test] - mean, labels[test])


# %% [markdown]
# ## The backward pass by hand
# A network is a list of pairs: weights $W$ of shape (outputs × inputs) and biases $b$.

# %%
def start(sizes, generator):
    return [(torch.randn(o, i, generator=generator) / i**0.5, torch.zeros(o))
            for i, o in zip(sizes, sizes[1:])]


# %% [markdown]
# The forward pass keeps every layer's activations, one row per example: the backward pass
# needs them all. Hidden layers use tanh; the last layer gives the logits.

# %%
def forward(layers, x):
    acts = [x]                                     # acts[l]: batch x width of layer l
    for W, b in layers[:-1]:
        acts.append(torch.tanh(acts[-1] @ W.T + b))
    W, b = layers[-1]
    return acts + [acts[-1] @ W.T + b]


# %% [markdown]
# Going back, one derivative of the activation is needed, and tanh gives it from its output.

# %%
def tanh_slope(a):
    return 1 - a**2                                # tanh'(z), where a = tanh(z)


# %% [markdown]
# This is backpropagation. `delta` is the derivative of the mean cross-entropy by a layer's
# pre-activations. At the output it is softmax minus target; every earlier one is the next one
# times the weights, times the slope of the activation. A layer's gradient is a product of
# `delta` with what came in. `carry` and `slope` are arguments only so that later cells can
# tamper with them.

# %%
def backward(layers, acts, y, carry=None, slope=tanh_slope):
    carry = carry or [W for W, _ in layers]        # what carries the error back
    delta = (torch.softmax(acts[-1], 1) - torch.eye(10)[y]) / len(y)
    grads = []
    for l in reversed(range(len(layers))):
        grads.append((delta.T @ acts[l], delta.sum(0)))      # same shapes as W and b
        if l > 0:
            delta = (delta @ carry[l]) * slope(acts[l])      # one layer down
    return grads[::-1]


# %% [markdown]
# To compare with other routes, all parameters are laid out in one long vector ...

# %%
def pack(pairs):
    return torch.cat([t.flatten() for pair in pairs for t in pair])


# %% [markdown]
# ... and cut up again into weights and biases.

# %%
def unpack(theta, sizes):
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        W, b, theta = theta[: o * i].view(o, i), theta[o * i : o * i + o], theta[o * i + o :]
        layers.append((W, b))
    return layers


# %% [markdown]
# The network to be checked has two hidden layers; a mini-batch of 32 digits goes through it.

# %%
SMALL = (64, 12, 8, 10)
theta = pack(start(SMALL, torch.Generator().manual_seed(5 * SEED)))
(images, targets), _ = split(5 * SEED)
batch, answers = images[:32], targets[:32]

# %% [markdown]
# Its loss, as a function of all parameters, is the mean cross-entropy.

# %%
def loss_at(theta):
    return cross_entropy(forward(unpack(theta, SMALL), batch)[-1], answers)


# %% [markdown]
# Route one: the function above.

# %%
def by_hand(theta, **tampering):
    layers = unpack(theta, SMALL)
    return pack(backward(layers, forward(layers, batch), answers, **tampering))


hand = by_hand(theta)

# %% [markdown]
# Route two: PyTorch's autograd, which records the forward pass and walks it backwards.

# %%
leaf = theta.clone().requires_grad_()
loss_at(leaf).backward()
autograd = leaf.grad.clone()

# %% [markdown]
# Route three uses losses only: move one parameter up, then down, and see how the loss changes. Two
# forward passes for each parameter (`vmap` runs them side by side).

# %%
def central_differences(loss, theta, h):
    steps = h * torch.eye(len(theta))              # row i moves parameter i only
    return (vmap(loss)(theta + steps) - vmap(loss)(theta - steps)) / (2 * h)


differences = central_differences(loss_at, theta, 1e-4)

# %% [markdown]
# How far apart are they, relative to the largest entry of the gradient?

# %%
def apart(a, b):
    return float((a - b).abs().max() / b.abs().max())


def shown(x):                                      # rounding differs between processors
    return "only rounding (< 1e-13)" if x < 1e-13 else f"{x:.0e}"


# %% [markdown]
# Route one against the other two:

# %%
off_autograd, off_differences = apart(hand, autograd), apart(differences, hand)
parameters = len(theta)

# %% [markdown]
# The three agree: the first two to rounding, the third to the error of a difference quotient.

# %% tags=["claim"] tolerance=0.5 falsify="hand = by_hand(theta, slope=torch.ones_like); off_autograd, off_differences = apart(hand, autograd), apart(differences, hand)"
# claim three-routes-agree: The gradient written out by hand equals autograd's within 1e-12
#   and central differences within 1e-6, relative to its largest entry.
measured = (f"by hand against autograd {shown(off_autograd)}, against central differences "
            f"{shown(off_differences)} ({parameters} parameters)")
assert off_autograd < 1e-12 and off_differences < 1e-6, measured
measured

# %% [markdown]
# A classic mistake of worked examples is to carry the error back and forget to multiply by the
# slope of the activation. The relative error of each layer's weights is measured for that.

# %%
def layer_errors(wrong, right):
    pairs = zip(unpack(wrong, SMALL), unpack(right, SMALL))
    return [float((w - r).norm() / r.norm()) for (w, _), (r, _) in pairs]


# %% [markdown]
# The mistake is made by handing over a slope of one.

# %%
forgetful = by_hand(theta, slope=torch.ones_like)
first_off, second_off, last_off = layer_errors(forgetful, autograd)

# %% [markdown]
# The last layer has no activation above it but the softmax, so it does not notice.

# %% tags=["claim"] falsify="first_off, second_off, last_off = layer_errors(hand, autograd)"
# claim forgotten-slope-spares-the-last-layer: Leaving out the activation's derivative changes
#   the gradient of both hidden layers' weights by more than 1 % and leaves that of the last
#   layer's alone (within 1e-12).
measured = f"relative error by layer {first_off:.2f}, {second_off:.2f}, {shown(last_off)}"
assert min(first_off, second_off) > 0.01 and last_off < 1e-12, measured
measured

# %% [markdown]
# A check by finite differences has a best step: too large and the curve bends within it, too
# small and rounding takes over. A wrong derivative does not go away at any step.

# %%
sizes_of_step = [10.0**-k for k in range(1, 13)]
quotients = [central_differences(loss_at, theta, h) for h in sizes_of_step]
right = [apart(q, hand) for q in quotients]
wrong = [apart(q, forgetful) for q in quotients]

# %% [markdown]
# The valley and the plateau, drawn:

# %% alt="Against the step of the difference quotient, from 0.1 to 1e-12, the distance to the right gradient falls steeply to below 1e-9 near 1e-5 and rises again; the distance to the gradient without the activation's slope is a flat line near {{forgetful_gap:.1f}}." caption="A gradient check tells a correct backward pass (a valley) from a wrong one (a plateau)."
fig, ax = plt.subplots()
ax.loglog(sizes_of_step, wrong, "s--", color=ORANGE, label="slope of tanh forgotten")
ax.loglog(sizes_of_step, right, "o-", color=BLUE, label="right backward pass")
ax.minorticks_off()
ax.invert_xaxis()
ax.set(xlabel="step of the difference quotient", ylabel="relative disagreement")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What it costs
# Operations are counted, not timed: the counter adds up the multiplications and additions of
# all matrix products (element-wise operations are left out).

# %%
def count(function, *arguments):
    with FlopCounterMode(display=False) as counter:
        function(*arguments)
    return counter.get_total_flops()


# %% [markdown]
# Forward and backward pass are counted for networks from a few hundred to over a million
# parameters: two hidden layers that grow wider, then layers of 64 that grow more numerous.

# %%
def price(sizes):
    layers = start(sizes, torch.Generator().manual_seed(0))
    acts = forward(layers, batch)
    ahead, back = count(forward, layers, batch), count(backward, layers, acts, answers)
    return len(pack(layers)), ahead, back


# %% [markdown]
# The ratio of the two is what matters.

# %%
wider = [price((64, w, w, 10)) for w in (4, 16, 64, 256, 1024)]
deeper = [price((64, *[64] * depth, 10)) for depth in (4, 16, 64, 256)]
ratios = [back / ahead for _, ahead, back in wider + deeper]

# %% [markdown]
# Central differences are counted where that is quick, on the smallest two networks.

# %%
def price_of_differences(width):
    sizes = (64, width, width, 10)
    point = pack(start(sizes, torch.Generator().manual_seed(0)))
    loss = lambda t: cross_entropy(forward(unpack(t, sizes), batch)[-1], answers)
    return count(central_differences, loss, point, 1e-4)


# %% [markdown]
# In units of a forward pass:

# %%
by_differences = [price_of_differences(w) / wider[i][1] for i, w in enumerate((4, 16))]

# %% [markdown]
# Backward costs at most two forward passes: one product for the weights' gradient and one for
# the error of the layer below, which the first layer does not need. The range tried:

# %%
smallest, largest = wider[0][0], max(p for p, _, _ in wider + deeper)

# %% [markdown]
# So the ratio must lie between one and two.

# %% tags=["claim"] falsify="ratios = by_differences"
# claim backward-costs-under-two-forwards: In counted operations the backward pass costs between
#   1 and 2 forward passes for every network tried, from under 500 to over a million parameters.
measured = (f"{min(ratios):.2f} to {max(ratios):.2f} forward passes "
            f"({smallest:,} to {largest:,} parameters, {len(ratios)} networks)")
assert 1 <= min(ratios) and max(ratios) <= 2 and smallest < 500 and largest > 1e6, measured
measured

# %% [markdown]
# Finite differences pay by the parameter.

# %% tags=["claim"] falsify="by_differences = ratios[:2]"
# claim differences-cost-two-forwards-a-parameter: Central differences cost exactly two forward
#   passes for each parameter.
per_parameter = [cost / wider[i][0] for i, cost in enumerate(by_differences)]
measured = (f"{by_differences[0]:,.0f} forward passes for {wider[0][0]:,} parameters, "
            f"{by_differences[1]:,.0f} for {wider[1][0]:,}")
assert per_parameter == [2, 2], measured
measured

# %% [markdown]
# Both prices against the size of the network; the dotted line is two passes a parameter.

# %% alt="On logarithmic axes, two counted points for central differences, {{fd_small:,.0f}} and {{fd_next:,.0f}} forward passes, lie on the dotted line of two passes a parameter, which reaches over two million at the largest network; the counted cost of the backward pass stays between 1 and 2 forward passes." caption="Measured in forward passes, the backward pass costs at most two at every size tried; central differences cost two for each parameter."
fig, ax = plt.subplots()
size = [p for p, _, _ in wider]
ax.loglog(size, [2 * p for p in size], ":", color=GREY, label="2 × parameters")
ax.loglog(size[:2], by_differences, "s", color=ORANGE, label="central differences, counted")
ax.loglog(size, [b / a for _, a, b in wider], "o-", color=BLUE, label="backward pass, counted")
ax.minorticks_off()
ax.set(xlabel="parameters", ylabel="cost in forward passes")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Why so cheap? The chain rule is a product of Jacobians, one a layer, and a product can be
# multiplied out from either end. Here are the Jacobians of eight tanh layers for one example.

# %%
def jacobians(width, depth=8):
    g = torch.Generator().manual_seed(5 * SEED)
    a, chain = torch.randn(width, generator=g), []
    for _ in range(depth):
        W = torch.randn(width, width, generator=g) / width**0.5
        a = torch.tanh(W @ a)
        chain.append((1 - a**2)[:, None] * W)      # width x width
    return chain, torch.ones(1, width)             # and dL/da of the last layer


# %% [markdown]
# From the loss, a row vector meets one matrix after the other: each step is a *vector-Jacobian
# product*.

# %%
def from_the_loss(chain, row):
    for J in reversed(chain):
        row = row @ J
    return row


# %% [markdown]
# From the input, matrices meet matrices until the very end.

# %%
def from_the_input(chain, row):
    product = chain[0]
    for J in chain[1:]:
        product = J @ product
    return row @ product


# %% [markdown]
# Both orders are run and counted.

# %%
dear, same = {}, 0.0
for width in (16, 64, 256):
    chain, row = jacobians(width)
    same = max(same, apart(from_the_input(chain, row), from_the_loss(chain, row)))
    dear[width] = count(from_the_input, chain, row) / count(from_the_loss, chain, row)

# %% [markdown]
# 'It is just the chain rule' leaves out the point: the rule gives the same numbers either way.

# %% tags=["claim"] falsify="dear = {w: 1 / d for w, d in dear.items()}"
# claim order-of-the-chain-rule-decides: Multiplied out from the input instead of from the loss,
#   the same eight Jacobians give the same gradient (within 1e-10) and cost more operations by a
#   factor of over half the width.
measured = ", ".join(f"width {w}: {d:.0f} times" for w, d in dear.items())
assert same < 1e-10 and all(d > w / 2 for w, d in dear.items()), measured
measured

# %% [markdown]
# ## What it keeps
# The price that remains is memory: `acts` grows with every layer. Checkpointing keeps only the
# activations between pieces of the network. This stack of layers has no output layer, its loss
# is half the sum of squares, so the error that starts the way back is the output itself.

# %%
def stack(weights, a):
    acts = [a]
    for W in weights:
        acts.append(torch.tanh(acts[-1] @ W.T))
    return acts


# %% [markdown]
# The way back goes through the pairs of neighbouring activations from the end.

# %%
def stack_back(weights, acts, error):              # error: dL/d(output of these layers)
    grads = []
    for W, a_in, a_out in zip(weights[::-1], acts[-2::-1], acts[::-1]):
        delta = error * (1 - a_out**2)
        grads.append(delta.T @ a_in)
        error = delta @ W
    return error, grads


# %% [markdown]
# Usually all activations are held until the way back.

# %%
def plain(weights, x):
    acts = stack(weights, x)
    return stack_back(weights, acts, acts[-1])[1], len(acts)


# %% [markdown]
# With checkpoints, each piece is run forward a second time when its turn comes, and then
# forgotten. `most` counts the layers' activations held at the worst
# moment of the way back (running the pieces forward holds no more).

# %%
def checkpointed(weights, x, length):
    pieces = [weights[i : i + length] for i in range(0, len(weights), length)]
    kept, grads, most = [x], [], 0
    for piece in pieces:
        kept.append(stack(piece, kept[-1])[-1])    # the inside of the piece is let go
    error = kept.pop()
    for piece in reversed(pieces):
        acts = stack(piece, kept.pop())            # ... and computed again
        most = max(most, len(kept) + len(acts))
        error, more = stack_back(piece, acts, error)
        grads += more
    return grads, most


# %% [markdown]
# Sixty-four layers, in eight pieces of eight.

# %%
g = torch.Generator().manual_seed(5 * SEED)
weights = [torch.randn(64, 64, generator=g) / 8 for _ in range(64)]
full, held_plain = plain(weights, batch)
again, held = checkpointed(weights, batch, 8)
grad_gap = max(apart(a, b) for a, b in zip(again, full))
extra = count(checkpointed, weights, batch, 8) / count(plain, weights, batch)

# %% [markdown]
# A quarter of the activations for one more forward pass, and the same gradient.

# %% tags=["claim"] falsify="held, extra = held_plain, 1.0"
# claim checkpointing-trades-operations-for-memory: Recomputing in eight pieces holds under a
#   third of the activations for 1.3 to 1.4 times the operations, with the same gradients within
#   1e-12.
measured = (f"{held} instead of {held_plain} layers' activations held, {extra:.2f} times the "
            f"operations, difference of the gradients: {shown(grad_gap)}")
assert held < held_plain / 3 and 1.3 < extra < 1.4 and grad_gap < 1e-12, measured
measured

# %% [markdown]
# ## A gradient is not a step
# What does `backward()` do to the parameters? It is called twice on the leaf from above.

# %%
leaf = theta.clone().requires_grad_()
loss_at(leaf).backward()
once = leaf.grad.clone()
loss_at(leaf).backward()
twice = leaf.grad

# %% [markdown]
# Nothing: no weight has moved. The second gradient was added to the first.

# %% tags=["claim"] falsify="leaf = leaf - 0.5 * twice; twice = once"
# claim backward-moves-no-weight: After two calls of backward() every parameter is bit for bit
#   what it was, and the stored gradient is twice the gradient of one call.
moved, doubled = int((leaf != theta).sum()), float(twice.norm() / once.norm())
measured = f"{moved} of {parameters} parameters changed, stored gradient {doubled:.2f} times"
assert moved == 0 and torch.allclose(twice, 2 * once, rtol=1e-12), measured
measured

# %% [markdown]
# So any gradient can be handed to any optimiser. Here the place for it, `.grad`, is filled by
# whatever function is given; the weights move in `step()` alone.

# %%
def descend(gradient, optimiser, seed, steps=15):
    theta = pack(start(SMALL, torch.Generator().manual_seed(seed))).requires_grad_()
    rule, path = optimiser([theta]), []
    for _ in range(steps):
        path.append(float(loss_at(theta.detach())))
        theta.grad = gradient(theta.detach())
        rule.step()
    return theta.detach(), path


# %% [markdown]
# Three arms over five starts: backpropagation and central differences, both with plain gradient
# descent, and backpropagation with Adam.

# %%
sgd = lambda p: torch.optim.SGD(p, lr=0.5)
adam = lambda p: torch.optim.Adam(p, lr=0.02)
quotient = lambda theta: central_differences(loss_at, theta, 1e-4)
arms = {"backpropagation, SGD": (by_hand, sgd), "central differences, SGD": (quotient, sgd),
        "backpropagation, Adam": (by_hand, adam)}

# %% [markdown]
# Each is run to the end.

# %%
ends = {name: [descend(*arm, seed) for seed in SEEDS] for name, arm in arms.items()}

# %% [markdown]
# The distance between two ends is measured in units of the way that the first arm went.

# %%
def distances(name):
    gaps = []
    for seed, (end, _), (base, _) in zip(SEEDS, ends[name], ends["backpropagation, SGD"]):
        origin = pack(start(SMALL, torch.Generator().manual_seed(seed)))
        gaps.append(float((end - base).norm() / (base - origin).norm()))
    return gaps


# %% [markdown]
# One comparison changes the route to the gradient, the other the rule of the step.

# %%
route_gaps, rule_gaps = map(distances, ("central differences, SGD", "backpropagation, Adam"))

# %% [markdown]
# Changing how the gradient is computed changes next to nothing; changing the rule of the step
# (here optimiser and learning rate) changes where training goes.

# %% tags=["claim"] tolerance=0.5 falsify="route_gaps, rule_gaps = rule_gaps, route_gaps"
# claim route-does-not-matter-rule-does: After 15 steps, replacing backpropagation by central
#   differences moves the weights by less than 1e-6 of the way travelled; replacing the update
#   rule, SGD at 0.5, by Adam at 0.02 moves them by more than a quarter of it, for each of five
#   starts.
measured = (f"other route to the gradient: at most {max(route_gaps):.0e}; "
            f"other update rule: at least {min(rule_gaps):.2f} (5 starts)")
assert max(route_gaps) < 1e-6 and min(rule_gaps) > 0.25, measured
measured

# %% [markdown]
# The first start's losses along the way:

# %% alt="Over fifteen steps the training loss of plain gradient descent falls in one curve, on which the markers for central differences sit exactly; the curve of Adam, fed by backpropagation too, is a different one." caption="Equal gradients give equal paths, wherever they come from; another update rule gives another path."
fig, ax = plt.subplots()
styles = {"backpropagation, SGD": ("-", BLUE), "central differences, SGD": ("o", ORANGE),
          "backpropagation, Adam": ("--", GREEN)}
for name, (style, colour) in styles.items():
    path = ends[name][0][1]
    ax.plot(path, style, color=colour, markersize=4, markevery=2, label=name)
ax.set(xlabel="step", ylabel="training loss", ylim=(0, None), xticks=range(0, 15, 2))
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# A correct gradient does not help from every start. If hidden units have the same incoming
# weights and also the same outgoing ones, they compute the same, get the same gradient and stay
# the same. (Equal incoming weights alone do not do it: different outgoing weights send different
# errors back.)

# %%
def full_batch(layers, data, steps=100, rate=0.5):
    x, y = data
    for _ in range(steps):
        grads = backward(layers, forward(layers, x), y)
        layers = [(W - rate * gW, b - rate * gb) for (W, b), (gW, gb) in zip(layers, grads)]
    return layers


# %% [markdown]
# Success is the share of test images whose largest logit is the right one.

# %%
def accuracy(layers, data):
    return float((forward(layers, data[0])[-1].argmax(1) == data[1]).double().mean())


# %% [markdown]
# Sixteen hidden units start with all weights of both layers at one value, or at random, or with
# only the output layer's at random. `copies` is the largest difference between a hidden unit's
# incoming weights and the first one's, after training.

# %%
def trained_from(fills, seed):                     # a value for each layer; None: random
    train, test = split(seed)
    layers = start((64, 16, 10), torch.Generator().manual_seed(seed))
    layers = [(W if fill is None else torch.full_like(W, fill), b)
              for (W, b), fill in zip(layers, fills)]
    layers = full_batch(layers, train)
    copies = (layers[0][0] - layers[0][0][0]).abs().max()
    return accuracy(layers, test), float(copies)


# %% [markdown]
# Four kinds of start, five seeds each: zero, 0.1, half random, random.

# %%
starts = ((0.0, 0.0), (0.1, 0.1), (0.1, None), (None, None))
symmetry = torch.tensor([[trained_from(fills, s) for s in SEEDS] for fills in starts])
equal, half, free = symmetry[:2], symmetry[2], symmetry[3]

# %% [markdown]
# The network with sixteen copies can do no more than a network with one hidden unit. Random
# output weights are enough to tell the units apart.

# %% tags=["claim"] tolerance=0.05 falsify="equal, half = torch.stack([half, half]), equal[1]"
# claim equal-weights-stay-equal: From equal weights in both layers (zero or 0.1) the sixteen
#   hidden units are still copies of each other after training (within 1e-6) and test accuracy
#   ends more than 0.4 below that from random weights, for each of five seeds; with random output
#   weights they end over 0.1 apart and within 0.1 of that accuracy.
gap, rest = (free[:, 0] - equal[..., 0]).min(), (free[:, 0] - half[:, 0]).abs().max()
names = ("zero", "0.1", "0.1 with random output weights", "random weights")
measured = "accuracy " + ", ".join(
    f"{a:.2f} from {n}" for n, a in zip(names, symmetry[..., 0].mean(1).tolist()))
assert equal[..., 1].max() < 1e-6 and gap > 0.4, measured
assert half[:, 1].min() > 0.1 and rest < 0.1, measured
measured

# %% [markdown]
# ## Learning without the exact gradient
# In *feedback alignment* the error travels back through fixed random matrices instead of the
# weights. Two controls: matrices drawn anew at every step, and the worked example's mistake, no
# slope.

# %%
def feedback(arm, layers, g):
    if arm in ("exact", "no slope"):
        return [W for W, _ in layers]
    return [torch.randn(W.shape, generator=g) / W.shape[1] ** 0.5 for W, _ in layers]


# %% [markdown]
# How good a direction is, is told by its angle to the true gradient, in degrees.

# %%
def angle(a, b):
    return float(torch.rad2deg(torch.acos((a * b).sum() / (a.norm() * b.norm()))))


# %% [markdown]
# The training loop is the same for every arm: mini-batches of 50, plain gradient descent. Only
# `carry` and `slope` differ. Every 25 steps the angle between the first layer's update and its
# true gradient is noted.

# %%
def train(arm, seed, data, sizes=(64, 16, 16, 10), steps=800, rate=0.5):
    g, noise = (torch.Generator().manual_seed(seed + k) for k in (0, 10**6))
    x, y = data
    layers, angles = start(sizes, g), []
    carry = feedback(arm, layers, noise)
    slope = torch.ones_like if arm == "no slope" else tanh_slope
    for step in range(steps):
        pick = torch.randint(len(x), (50,), generator=g)
        acts = forward(layers, x[pick])
        if arm != "fixed random":                  # weights change, so does what carries
            carry = feedback(arm, layers, noise)
        grads = backward(layers, acts, y[pick], carry, slope)
        if step % 25 == 0:
            angles.append(angle(grads[0][0], backward(layers, acts, y[pick])[0][0]))
        layers = [(W - rate * gW, b - rate * gb) for (W, b), (gW, gb) in zip(layers, grads)]
    return layers, angles


# %% [markdown]
# Four arms, five seeds each.

# %% tolerance=0.05
names = ("exact", "no slope", "fixed random", "redrawn")
test_accuracy, turned = {}, {}
for name in names:
    runs = [(train(name, s, split(s)[0]), split(s)[1]) for s in SEEDS]
    test_accuracy[name] = torch.tensor([accuracy(net, test) for (net, _), test in runs])
    turned[name] = torch.tensor([angles for (_, angles), _ in runs])
    print(f"{name:12} test accuracy", [f"{a:.3f}" for a in test_accuracy[name].tolist()])

# %% [markdown]
# Have the hidden layers learned anything? A third control leaves them as they were drawn and
# puts a fitted readout on top: a linear classifier, trained until it converges. Such a *probe*
# sees the last hidden layer's outputs standardised, so that their scale decides nothing, and is
# hardly penalised.

# %%
def probe(layers, fit, judge):
    outputs = lambda data: forward(layers, data[0])[-2].numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=100, max_iter=5000))
    return model.fit(outputs(fit), fit[1]).score(outputs(judge), judge[1])


# %% [markdown]
# Zero steps of training give the network as it was drawn.

# %%
drawn = [train("exact", s, split(s)[0], steps=0)[0] for s in SEEDS]
readout = torch.tensor([probe(net, *split(s)) for net, s in zip(drawn, SEEDS)])
fixed, exact = test_accuracy["fixed random"], test_accuracy["exact"]
controls = torch.stack([test_accuracy["redrawn"], readout])

# %% [markdown]
# It trains the hidden layers: exact gradients are not necessary here.

# %% tags=["claim"] tolerance=0.2 falsify="fixed, controls = controls[0], torch.stack([fixed, controls[1]])"
# claim random-feedback-learns: With fixed random feedback the mean test accuracy is within 0.05
#   of exact backpropagation's, and for each of five seeds test accuracy is more than 0.02 above
#   that of redrawn feedback and that of a fitted readout of untrained hidden layers.
lost, gained = exact.mean() - fixed.mean(), (fixed - controls).min()
measured = (f"exact {exact.mean():.3f}, fixed random {fixed.mean():.3f}, redrawn "
            f"{controls[0].mean():.3f}, readout {readout.mean():.3f} (worst lead {gained:.3f})")
assert lost < 0.05 and gained > 0.02, measured
measured

# %% [markdown]
# Why can it work? Its matrices are fixed, so the forward weights have something to adjust to;
# redrawn ones give them nothing. The angles of the last 250 steps are averaged.

# %%
begin, end = turned["fixed random"][:, 0], turned["fixed random"][:, -10:].mean(1)
control = turned["redrawn"][:, -10:].mean(1)
first = torch.cat([begin, turned["redrawn"][:, 0]])
late = turned["fixed random"][:, 8:]               # from step 200 on

# %% [markdown]
# The hidden layers never see their true gradient, and yet their updates turn towards it.

# %% tags=["claim"] tolerance=0.1 falsify="end, control = control, end"
# claim feedback-aligns: With fixed random feedback the first layer's update starts at over 75
#   degrees from the true gradient (mean of five seeds) and ends under 65 for each seed; with
#   redrawn feedback it ends over 70.
measured = (f"fixed {begin.mean():.0f} to {end.mean():.0f} degrees (worst end {end.max():.0f}), "
            f"redrawn ends at {control.mean():.0f} (lowest {control.min():.0f})")
assert begin.mean() > 75 and end.max() < 65 and control.min() > 70, measured
measured

# %% [markdown]
# Every run of the two kinds of random feedback, five each:

# %% alt="The angle to the true gradient starts between {{first_low:.0f}} and {{first_high:.0f}} degrees; with fixed matrices it falls within about two hundred steps and then stays between {{late_low:.0f}} and {{late_high:.0f}} degrees in all five runs, with redrawn matrices it keeps scattering around 90." caption="With fixed random feedback the updates turn towards the gradient, though not onto it; with feedback that changes they do not."
fig, ax = plt.subplots()
steps = range(0, 800, 25)
ax.axhline(90, color=GREY, linewidth=1, linestyle=":")
for name, colour, style in (("redrawn", ORANGE, "--"), ("fixed random", BLUE, "-")):
    for i, run in enumerate(turned[name]):
        ax.plot(steps, run, style, color=colour, linewidth=1, label=name if i == 0 else None)
ax.set(xlabel="training step", ylabel="angle to the true gradient (°)", ylim=(0, 140))
ax.legend(frameon=False, ncol=2, loc="upper right")
plt.show()

# %% [markdown]
# And the mistake of the worked example?

# %%
buggy = test_accuracy["no slope"]

# %% [markdown]
# The network trains on a wrong gradient without complaint, its hidden layers included, and ends
# somewhat worse: learning is no proof of a right backward pass.

# %% tags=["claim"] tolerance=0.2 falsify="buggy = readout"
# claim wrong-derivative-still-trains: With the activation's derivative left out, mean test
#   accuracy over five seeds ends above that of a fitted readout of untrained hidden layers, and
#   more than 0.02 below that of the exact gradient.
lead, lag = (buggy - readout).mean(), (exact - buggy).mean()
measured = (f"no slope {buggy.mean():.3f} (from {buggy.min():.3f} to {buggy.max():.3f}), readout "
            f"{readout.mean():.3f}, exact {exact.mean():.3f}")
assert lead > 0 and lag > 0.02, measured
measured

# %% [markdown]
# ## Exact gradients, poor features
# Now the gradients are exact and the labels are not: they are shuffled among 400 training
# images. Is what the last hidden layer has learned good for telling digits apart? The probe
# judges; it is fitted on the true labels of 700 fresh images, and judged on the remaining 697, so
# that what was memorised cannot help or harm it. Three sets of features per seed: from the
# untrained network, trained on shuffled labels, and trained on true ones.

# %%
def three_probes(seed, sizes=(64, 32, 16, 10), n=400):
    (x, y), (others, true) = split(seed, n)
    fit, judge = (others[:700], true[:700]), (others[700:], true[700:])
    shuffled = y[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]
    nets = [train("exact", seed, (x, t), sizes, steps)[0]
            for t, steps in ((y, 0), (shuffled, 1200), (y, 1200))]
    return [probe(net, fit, judge) for net in nets] + [accuracy(nets[1], (x, shuffled))]


# %% [markdown]
# Again five seeds.

# %%
untrained, on_noise, on_truth, memorised = torch.tensor([three_probes(s) for s in SEEDS]).T

# %% [markdown]
# The right gradients of the wrong objective left features worse than random ones.

# %% tags=["claim"] tolerance=0.2 falsify="on_noise, on_truth = on_truth, on_noise"
# claim exact-gradients-can-spoil-features: Trained with exact gradients on shuffled labels until
#   over 90 % are memorised, the last hidden layer (16 units) gives a linear probe, fitted and
#   judged on other images, an accuracy more than 0.02 below that from the untrained layer, for
#   each of five seeds; trained on true labels it gives a higher one.
harm, help_ = (untrained - on_noise).min(), (on_truth - untrained).min()
measured = (f"probe {untrained.mean():.3f} untrained, {on_noise.mean():.3f} after shuffled, "
            f"{on_truth.mean():.3f} after true labels (worst harm {harm:.3f}, 5 seeds)")
assert memorised.min() > 0.9 and harm > 0.02 and help_ > 0, measured
measured

# %% [markdown]
# The numbers that the text quotes:

# %% tags=["results"] tolerance=0.05
{"first_off": first_off, "second_off": second_off,
 "forgetful_gap": apart(differences, forgetful),
 "ratio_min": min(ratios), "ratio_max": max(ratios), "largest": largest,
 "fd_small": float(by_differences[0]), "fd_next": float(by_differences[1]),
 "p_small": smallest, "dear_256": dear[256],
 "held": held, "held_plain": held_plain, "extra": extra,
 "acc_zero": float(equal[0, :, 0].mean()), "acc_equal": float(equal[1, :, 0].mean()),
 "acc_half": float(half[:, 0].mean()), "acc_random": float(free[:, 0].mean()),
 "acc_exact": float(test_accuracy["exact"].mean()),
 "acc_fixed": float(test_accuracy["fixed random"].mean()),
 "acc_redrawn": float(test_accuracy["redrawn"].mean()),
 "acc_readout": float(readout.mean()), "acc_no_slope": float(buggy.mean()),
 "angle_start": float(begin.mean()), "angle_end": float(end.mean()),
 "first_low": float(first.min()), "first_high": float(first.max()),
 "late_low": float(late.min()), "late_high": float(late.max()),
 "memorised": float(memorised.min()),
 "probe_untrained": float(untrained.mean()), "probe_noise": float(on_noise.mean()),
 "probe_truth": float(on_truth.mean())}
