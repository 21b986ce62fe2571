"""Does a claim notice it when the world is otherwise?

The runner sends this file as text into a notebook's kernel: it may use the standard library only,
and the notebook must not be able to tell that it was there.
"""

from __future__ import annotations

import contextlib
import copy
import io
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

NOTICED = "noticed"
SURVIVES = "survives"
BROKEN_FALSIFY = "broken falsify"
BROKEN_CLAIM = "broken claim"


def verdict(namespace: dict[str, Any], falsify: str, claim: str) -> tuple[str, str]:
    """Run `falsify`, then the claim's code, on a copy of the namespace; say what came of it.

    The copies stand in the namespace itself while this runs, so that the notebook's own functions
    see them too; what was there before comes back afterwards, as do the states of the random
    number generators. Nothing that is printed is kept.

    Returns:
        NOTICED if the claim raised AssertionError, which is what must happen; else SURVIVES,
        BROKEN_FALSIFY or BROKEN_CLAIM. The second part says in words what was raised.
    """
    before = dict(namespace)
    restore = _random_states()
    figures = _open_figures()
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            namespace.update(_copies(before))
            if error := _raised(falsify, "falsify", namespace):
                return BROKEN_FALSIFY, _said(error)
            error = _raised(claim, "claim", namespace)
    finally:
        for name in namespace.keys() - before.keys():
            del namespace[name]
        namespace.update(before)
        for undo in restore:
            undo()
        _close_figures_but(figures)
    if error is None:
        return SURVIVES, ""
    return (NOTICED if isinstance(error, AssertionError) else BROKEN_CLAIM), _said(error)


def _raised(code: str, name: str, namespace: dict[str, Any]) -> BaseException | None:
    try:
        exec(compile(code, f"<{name}>", "exec"), namespace)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a claim must not end the kernel
        return error
    return None


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _copies(namespace: dict[str, Any]) -> dict[str, Any]:
    """Copy what the notebook defined; what refers to one thing still does so in the copy."""
    memo: dict[int, Any] = {}
    copies = {}
    for name, value in namespace.items():
        if name.startswith("_") or name in ("In", "Out", "exit", "quit", "get_ipython"):
            continue
        attempt = dict(memo)
        try:
            copies[name] = copy.deepcopy(value, attempt)
            memo = attempt
        except Exception:  # modules, generators, tensors inside a graph: shared
            copies[name] = copy.copy(value) if type(value) in (list, dict, set) else value
    return copies


def _random_states() -> list[Callable[[], Any]]:
    """Return calls that bring every random number generator back to where it is now."""
    python = random.getstate()
    restore: list[Callable[[], Any]] = [lambda: random.setstate(python)]
    if numpy := sys.modules.get("numpy"):
        legacy = numpy.random.get_state()
        restore.append(lambda: numpy.random.set_state(legacy))
    if torch := sys.modules.get("torch"):
        default = torch.get_rng_state()
        restore.append(lambda: torch.set_rng_state(default))
    return restore


def _open_figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _close_figures_but(kept: set[int]) -> None:
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        for number in set(pyplot.get_fignums()) - kept:
            pyplot.close(number)
