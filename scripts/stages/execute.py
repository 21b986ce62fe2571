"""Running the notebooks: each in a kernel of its own, each claim against its counterfactual."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async
from tqdm import tqdm

from stages import counterfactual
from stages.evidence import (
    INJECTED,
    Problem,
    claim_of,
    fingerprint,
    inspect_document,
    load_document,
)
from stages.notebook_text import NotebookText, read_notebook_text, to_document
from stages.provenance import (
    chosen_stems,
    inputs_of,
    normal_name,
    pins,
    read_requirements,
    shown_path,
    stale_reasons,
)
from stages.records import Cell, Claim, Fault, Refused
from stages.write import write_if_changed

LARGEST = 300_000  # bytes of a stored notebook
KERNEL = (sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
LONGEST_WORDS = 500  # characters of what an exception says
START_LIMIT = 60  # seconds until a kernel must answer

# All that a kernel sees of the environment it is started from.
_INHERITED = (
    *("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "USER"),
    *("APPDATA", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE"),  # Windows
)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"Cell In\s?\[(\d+)\], line (\d+)")


@dataclass(frozen=True)
class RunReport:
    """What came of running one notebook.

    Attributes:
        stem: the notebook.
        seconds: wall time of its cells.
        claims: its claims with what was measured.
        written: whether a file was written (not if the stored outputs came out again).
    """

    stem: str
    seconds: float
    claims: tuple[Claim, ...]
    written: bool


@dataclass(frozen=True)
class _Job:
    """One notebook to run, with the hashes of what goes into it."""

    text: NotebookText
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class _Plan:
    """How all notebooks of one call are run."""

    folder: Path
    scratch: Path
    requirements: str
    injected: Mapping[str, int]
    environment: Mapping[str, str]
    time_limit: float
    target: Path | None
    keeps_copies: bool

    @property
    def circumstances(self) -> str:
        """The parameters that differ from the text's, as words for a fault."""
        said = ", ".join(f"{name} = {value}" for name, value in self.injected.items())
        return f" with {said}" if said else ""


def run_notebooks(
    folder: Path,
    stems: Sequence[str],
    *,
    requirements: Path,
    jobs: int,
    seed: int | None = None,
    portable: bool = False,
    force: bool = False,
    time_limit: float = 300,
    keep: Path | None = None,
) -> list[RunReport]:
    """Run notebooks side by side, check all they claim, and store them beside their texts.

    Args:
        folder: where the texts (`.py`), the executed notebooks and `data/` lie.
        stems: which to run; all of the folder's if empty.
        requirements: the file that pins what they run with.
        jobs: how many run at once.
        seed: another value of SEED; nothing is stored then.
        portable: use another instruction set and two threads; nothing is stored then.
        force: also run those whose stored run is that of today's inputs.
        time_limit: seconds that one cell may take.
        keep: folder for the executed copies; the notebooks folder is left alone, all are run.

    Returns:
        One report for each notebook that ran, in the order of stems.

    Raises:
        Refused: after all have run, with the faults of all. The good ones are stored.
        KeyboardInterrupt, SystemExit: on SIGINT and SIGTERM, after the kernels were stopped.
    """
    stems = chosen_stems(folder, stems)
    pinned = read_requirements(requirements)
    stores = seed is None and not portable and keep is None
    if stores and not force:
        stems = [stem for stem in stems if stale_reasons(folder, stem, pinned)]
    todo, faults = _read_texts(folder, stems, pinned)
    if stores and todo and (wrong := _wrong_versions(pinned, requirements)):
        raise Refused([*faults, *wrong])
    injected = {"SEED": seed} if seed is not None else {}
    if portable:
        injected["THREADS"] = 2
    with tempfile.TemporaryDirectory(prefix="notebooks-") as scratch:
        plan = _Plan(
            folder=folder,
            scratch=Path(scratch),
            requirements=pinned,
            injected=injected,
            environment=kernel_environment(Path(scratch), portable=portable),
            time_limit=time_limit,
            target=keep or (folder if stores else None),
            keeps_copies=keep is not None,
        )
        _build_font_cache(todo, plan)
        reports = []
        for outcome in _run_to_the_end(_run_all(todo, plan, jobs)):
            if isinstance(outcome, RunReport):
                reports.append(outcome)
            else:
                faults += outcome
    if faults:
        raise Refused(faults)
    return reports


def kernel_environment(scratch: Path, *, portable: bool = False) -> dict[str, str]:
    """Return a kernel's environment: nothing of the user's configuration, one thread for sums.

    Args:
        scratch: an empty folder for what the libraries keep.
        portable: two threads, and only the instructions that every x86-64 processor has.
    """
    threads = "2" if portable else "1"
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environment |= {
        "COLUMNS": "80",
        "IPYTHONDIR": str(scratch / "ipython"),
        "JUPYTER_CONFIG_DIR": str(scratch / "jupyter"),
        "MKL_NUM_THREADS": threads,
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "TZ": "UTC",
    }
    if portable:
        environment |= {
            "ATEN_CPU_CAPABILITY": "default",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve each other on few cores
            "ONEDNN_MAX_CPU_ISA": "SSE41",
        }
    return environment


# ── before the run ─────────────────────────────────────────────────────────────────────────────


def _read_texts(
    folder: Path, stems: Sequence[str], requirements: str
) -> tuple[list[_Job], list[Fault]]:
    jobs: list[_Job] = []
    faults: list[Fault] = []
    for stem in stems:
        path = folder / f"{stem}.py"
        try:
            text = read_notebook_text(path, shown_path(path))
            jobs.append(_Job(text, inputs_of(path, requirements)))
        except Refused as refused:
            faults += refused.faults
    return jobs, faults


def _wrong_versions(pinned: str, requirements: Path) -> list[Fault]:
    """List the pinned packages of which another version is installed; `+cpu` makes no other."""
    faults = []
    todo = f"run pip install -r {requirements.name}"
    for name, version in pins(pinned).items():
        installed = _installed(name)
        if installed.split("+")[0] != version.split("+")[0]:
            what = f"{name} {version} is pinned, but {installed or 'no version'} is installed"
            faults.append(Fault(shown_path(requirements), 0, what, todo))
    return faults


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _versions(cells: Sequence[Cell], requirements: str) -> dict[str, str]:
    """Return the versions of Python and of the pinned packages that the notebook imports."""
    imported: set[str] = set()
    for cell in cells:
        for node in ast.walk(ast.parse(cell.source if cell.kind == "code" else "")):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    provided = importlib.metadata.packages_distributions()
    names = {normal_name(package) for module in imported for package in provided.get(module, ())}
    versions = {name: _installed(name) for name in sorted(names & pins(requirements).keys())}
    return {"python": platform.python_version(), **versions}


def _build_font_cache(jobs: Sequence[_Job], plan: _Plan) -> None:
    """Let Matplotlib look for fonts once, not in every kernel, where it may say so on stderr."""
    if any("matplotlib" in cell.source for job in jobs for cell in job.text.cells):
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        subprocess.run(command, env=dict(plan.environment), capture_output=True, check=False)


# ── side by side ───────────────────────────────────────────────────────────────────────────────


def _run_to_the_end(
    main: Coroutine[Any, Any, list[RunReport | list[Fault]]],
) -> list[RunReport | list[Fault]]:
    """Run the coroutine; on SIGTERM, as on SIGINT, let it stop its kernels before this ends."""
    ended = False

    async def watched() -> list[RunReport | list[Fault]]:
        task = asyncio.current_task()
        assert task is not None

        def end() -> None:
            nonlocal ended
            ended = True
            task.cancel()

        # Signals can only be watched from the main thread, and not on Windows.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
        return await main

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if ended:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise


async def _run_all(
    jobs: Sequence[_Job], plan: _Plan, at_once: int
) -> list[RunReport | list[Fault]]:
    places = asyncio.Semaphore(max(1, at_once))
    # `disable=None`: no bar where stderr is not a terminal.
    hidden = None if jobs else True
    with tqdm(total=len(jobs), unit="notebook", file=sys.stderr, disable=hidden) as bar:

        async def run(job: _Job) -> RunReport | list[Fault]:
            async with places:
                outcome = await _run_one(job, plan)
            tqdm.write(_line(job.text, outcome), file=sys.stdout)
            sys.stdout.flush()
            bar.update()
            return outcome

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(job)) for job in jobs]
    return [task.result() for task in tasks]


def _line(text: NotebookText, outcome: RunReport | list[Fault]) -> str:
    if isinstance(outcome, RunReport):
        what = "written" if outcome.written else "nothing changed"
        return f"{text.stem}: {outcome.seconds:.1f} s, {len(outcome.claims)} claims, {what}"
    return f"{text.stem}: refused ({len(outcome)})"


async def _run_one(job: _Job, plan: _Plan) -> RunReport | list[Fault]:
    text = _with_parameters(job.text, plan.injected)
    try:
        document, seconds = await _execute(text, plan)
    except Refused as refused:
        return list(refused.faults)
    stamp = {
        "executed": datetime.now(UTC).date().isoformat(),
        "inputs": job.inputs,
        "outputs": hashlib.sha256().hexdigest(),  # until they are known
        "seconds": round(seconds, 1),
        "versions": _versions(text.cells, plan.requirements),
    }
    document.metadata["provenance"] = stamp
    evidence, problems = inspect_document(json.loads(_json(document)), text.stem, text.path)
    outputs = fingerprint(evidence.cells)
    document.metadata["provenance"] = stamp | {"outputs": outputs}
    content = _json(document)
    if len(content.encode()) > LARGEST:
        what = f"gives a notebook of {len(content.encode()) / 1000:.0f} KB"
        problems.append(Problem(what, f"print and draw less: {LARGEST // 1000} KB at most"))
    if problems:
        return [text.fault(problem) for problem in problems]
    written = False
    if plan.target and (plan.keeps_copies or _is_news(plan, text.stem, outputs)):
        written = write_if_changed(plan.target / f"{text.stem}.ipynb", content)
    return RunReport(text.stem, round(seconds, 1), evidence.claims, written)


def _is_news(plan: _Plan, stem: str, outputs: str) -> bool:
    """Say whether the run must be stored: an input or an output, times apart, is another."""
    if stale_reasons(plan.folder, stem, plan.requirements):
        return True
    path = plan.folder / f"{stem}.ipynb"
    stored = load_document(path, str(path))["metadata"]["provenance"]["outputs"]
    return bool(stored != outputs)


def _json(document: Any) -> str:
    text: str = nbformat.writes(document)
    return text.rstrip("\n") + "\n"


def _with_parameters(text: NotebookText, injected: Mapping[str, int]) -> NotebookText:
    """Put a cell with other parameters right after the parameters cell, as papermill does."""
    if not injected:
        return text
    source = "\n".join(f"{name} = {value}" for name, value in injected.items())
    cell = Cell(INJECTED, "code", source, (INJECTED,), {"tags": [INJECTED]})
    after = 1 + next(i for i, cell in enumerate(text.cells) if "parameters" in cell.tags)
    cells = (*text.cells[:after], cell, *text.cells[after:])
    lines = (*text.lines[:after], 0, *text.lines[after:])
    return replace(text, cells=cells, lines=lines)


# ── one notebook ───────────────────────────────────────────────────────────────────────────────


class _ThisPython(KernelSpecManager):  # type: ignore[misc]  # it is typed as Any
    """Knows one kernel: the interpreter that runs this, whatever else is installed as python3."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002
        return KernelSpec(argv=list(KERNEL), display_name="Python 3", language="python")


@contextlib.asynccontextmanager
async def _kernel(document: Any, text: NotebookText, plan: _Plan) -> AsyncIterator[NotebookClient]:
    """Start a kernel for the notebook; it is gone afterwards, however this ends."""
    said = plan.scratch / f"{text.stem}.stderr"
    manager = AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=_ThisPython(),
        connection_file=str(plan.scratch / f"{text.stem}.json"),
    )
    client = NotebookClient(
        document,
        km=manager,
        timeout_func=lambda _: plan.time_limit,
        startup_timeout=START_LIMIT,
        iopub_timeout=60,
        raise_on_iopub_timeout=True,
        record_timing=False,
        resources={"metadata": {"path": str(plan.folder)}},
    )
    try:
        try:
            with said.open("wb") as errors:
                await client.async_start_new_kernel(
                    env=dict(plan.environment), stdout=subprocess.DEVNULL, stderr=errors
                )
            await client.async_start_new_kernel_client()
        except (OSError, RuntimeError) as error:
            last = said.read_text("utf-8", "replace").strip().splitlines()[-1:]
            what = f"the kernel did not start: {last[0] if last else error}"
            todo = "install requirements-notebooks.txt with the Python that runs this"
            raise Refused([Fault(text.path, 0, what, todo)]) from None
        yield client
    finally:
        await _stop(manager, client)


async def _stop(manager: AsyncKernelManager, client: NotebookClient) -> None:
    # First the one thing that must happen, at once: the kernel leads a process group of its own.
    group = getattr(manager.provisioner, "pgid", None)
    if group and manager.has_kernel:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    if manager.has_kernel:
        await manager.shutdown_kernel(now=True)
    if client.kc is not None:
        client.kc.stop_channels()
    await ensure_async(manager.cleanup_resources())


async def _execute(text: NotebookText, plan: _Plan) -> tuple[Any, float]:
    """Run all cells and each claim's counterfactual; return the notebook and its cells' seconds.

    Raises:
        Refused: with the claims that survive, and what stopped the notebook, if anything did.
    """
    document = to_document(text.cells)
    problems: list[Problem] = []
    seconds = 0.0
    async with _kernel(document, text, plan) as client:
        for index, cell in enumerate(document.cells):
            if cell.cell_type != "code":
                continue
            started = time.perf_counter()
            stopped = await _run_cell(client, cell, index, plan)
            seconds += time.perf_counter() - started
            cell.outputs = _merged(cell.outputs)
            if not stopped and "claim" in text.cells[index].tags:
                found, stopped = await _check_claim(client, text.cells[index], plan)
                problems += [replace(problem, cell=index) for problem in found]
            if stopped:
                problems.append(replace(stopped, cell=index))
                break
    if problems:
        raise Refused([text.fault(problem) for problem in problems])
    return document, seconds


async def _run_cell(client: NotebookClient, cell: Any, index: int, plan: _Plan) -> Problem | None:
    """Run one cell; return what stopped it, if anything did."""
    try:
        await client.async_execute_cell(cell, index)
    except CellExecutionError as error:
        line = _line_in_cell(error.traceback, cell.execution_count)
        said = _one_line(error.evalue)
        claim = claim_of(cell.source) if "claim" in cell.metadata.get("tags", []) else None
        if claim and error.ename == "AssertionError":
            what = f"states claim {claim[0]}, which is false{plan.circumstances}: {said}"
            return Problem(what, "find out why before you change claim or threshold", line=line)
        what = f"raises {error.ename}{plan.circumstances}: {said}".rstrip(": ")
        return Problem(what, "mend it", line=line)
    except CellTimeoutError:
        return Problem(f"did not end within {plan.time_limit:g} s", "make it do less")
    except DeadKernelError:
        _raise_if_cancelled()
        return Problem("ended its kernel", "look for a crash in a library, or for too much memory")
    return None


def _raise_if_cancelled() -> None:
    """Tell a kernel that died from our being cancelled: nbclient takes both for the first."""
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def _line_in_cell(traceback: str, count: int | None) -> int:
    frames = _FRAME.findall(_ANSI.sub("", traceback))
    return next((int(line) - 1 for number, line in frames if int(number) == count), 0)


def _merged(outputs: Sequence[Any]) -> list[Any]:
    """Join neighbouring pieces of one stream: where they are cut depends on the machine's load."""
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


# ── the counterfactual ─────────────────────────────────────────────────────────────────────────


async def _check_claim(
    client: NotebookClient, cell: Cell, plan: _Plan
) -> tuple[list[Problem], Problem | None]:
    """Return what is wrong with the claim, and what ended the notebook, if that did."""
    claim = claim_of(cell.source)
    assert claim is not None, "the form was checked when the text was read"
    slug, falsify = claim[0], str(cell.metadata["falsify"])
    try:
        kind, said = await _ask_kernel(client, _question(falsify, cell.source), plan.time_limit)
    except TimeoutError:
        what = f"states claim {slug}, whose counterfactual did not end in {plan.time_limit:g} s"
        return [], Problem(what, "make it do less")
    except DeadKernelError:
        what = f"states claim {slug}, whose counterfactual ended the kernel"
        return [], Problem(what, "mend falsify")
    what, todo = {
        counterfactual.NOTICED: ("", ""),
        counterfactual.SURVIVES: (
            f"states claim {slug}, which survives its counterfactual",
            "make falsify what would be seen if the claim were wrong, or assert what it says",
        ),
        counterfactual.BROKEN_FALSIFY: (
            f"has a falsify (claim {slug}) that itself raises {said}",
            "mend falsify",
        ),
        counterfactual.BROKEN_CLAIM: (
            f"states claim {slug}, which under its counterfactual raises {said}",
            "make falsify such that the assert fails",
        ),
    }[kind]
    return [Problem(what, todo)] if what else [], None


def _question(falsify: str, claim: str) -> str:
    """Return an expression for the kernel whose value is the verdict; it binds no name there."""
    source = Path(counterfactual.__file__).read_text("utf-8")
    defined = f"exec(compile({source!r}, '<counterfactual>', 'exec'), own)"
    asked = f"own['verdict'](globals(), {falsify!r}, {claim!r})"
    return f"(lambda own: ({defined}, {asked})[1])({{'__name__': 'counterfactual'}})"


async def _ask_kernel(client: NotebookClient, question: str, limit: float) -> tuple[str, str]:
    """Evaluate an expression in the kernel without counting, storing or showing anything.

    Raises:
        TimeoutError: after `limit` seconds.
        DeadKernelError: if the kernel died over it.
    """
    talk: Any = client.kc
    request = talk.execute("", silent=True, user_expressions={"answer": question})
    async with asyncio.timeout(limit):
        while True:
            try:
                reply = await talk.get_shell_msg(timeout=1)
            except Empty:
                if not await talk.is_alive():
                    raise DeadKernelError from None
                continue
            if reply["parent_header"].get("msg_id") == request:
                break
    answer = reply["content"]["user_expressions"]["answer"]
    if answer["status"] != "ok":
        return counterfactual.BROKEN_FALSIFY, _one_line(f"{answer['ename']}: {answer['evalue']}")
    kind, said = ast.literal_eval(answer["data"]["text/plain"])
    return kind, _one_line(said)


def _one_line(text: str) -> str:
    line = " ".join(_ANSI.sub("", text).split())
    return line if len(line) <= LONGEST_WORDS else line[:LONGEST_WORDS] + "…"
