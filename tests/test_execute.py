"""Running notebooks. Kernels take a second each, so most refusals are planted in one shared run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stages import counterfactual, execute
from stages.evidence import compare_outputs, read_evidence
from stages.execute import RunReport, run_notebooks
from stages.notebook_text import read_notebook_text
from stages.provenance import chosen_stems, inputs_of, pins, stale_notebooks
from stages.records import Refused

HEAD = '# %% [markdown]\n# # A title\n# A sentence.\n\n# %% tags=["parameters"]\nSEED = 0\nTHREADS = 1\n'


def cell(source: str, header: str = "") -> str:
    return f"\n# %% [markdown]\n# A sentence.\n\n# %% {header}".rstrip() + f"\n{source}\n"


def claim(slug: str, body: str, falsify: str) -> str:
    source = f"# claim {slug}: A sentence.\n{body}\nmeasured"
    return cell(source, f'tags=["claim"] falsify={json.dumps(falsify)}')


GOOD = "".join(
    [
        HEAD,
        cell("import os\nimport random\nimport sys\nimport time\n\ndraws = random.Random(SEED)\nprint('a')\nprint('b')"),
        cell("values = [draws.random() for _ in range(9)]\nround(sum(values), 6)"),
        claim("draws-below-one", "measured = f'largest {max(values):.3f} (SEED {SEED}, THREADS {THREADS})'\nassert max(values) < 1, measured", "values = [2.0]"),
        claim("alone", "measured = ' '.join([sys.executable, *sorted(n for n in os.environ if n.startswith(('PYTHON', 'OMP'))), os.environ['OMP_NUM_THREADS'], os.environ.get('ATEN_CPU_CAPABILITY', '')])\nassert 'started' not in globals() and 'PYTHONPATH' not in os.environ, measured", "started = 1"),
        cell("random.random()", 'tags=["timing"]'),
        cell("print(open('data/three.txt').read())"),
        cell("from IPython.display import SVG\n\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')", 'alt="Nothing is to be seen."'),
        cell("{'total': round(sum(values), 6)}", 'tags=["results"]'),
    ]
)  # fmt: skip

BAD = {
    "02-false": HEAD
    + claim("two-is-one", "measured = f'{1 + 1} not one'\nassert 2 == 1, measured", "pass"),
    "03-raises": HEAD + cell("x = 1\nraise ValueError('it\\nbroke')"),
    "04-counterfactuals": HEAD
    + cell("a, b = 1, 2\nrandom_state = __import__('random').random()")
    + claim("survives", "measured = f'{a}'\nassert a == 1, measured", "b = 5")
    + claim("broken-falsify", "measured = f'{a}'\nassert a == 1, measured", "assert False, 'here'")
    + claim("broken-claim", "measured = f'{1 / a}'\nassert a == 1, measured", "a = 0"),
    "05-hangs": HEAD + cell("while True:\n    pass"),
    "06-dies": HEAD + cell("import os\n\nos._exit(3)"),
    "08-hangs": HEAD + claim("hangs", "measured = 'm'\nassert True, measured", "while True: pass"),
    "09-dies": HEAD
    + claim("dies", "measured = 'm'\nassert True, measured", "import os; os._exit(1)"),
    "07-outputs": HEAD
    + cell("import sys\n\nprint('careful', file=sys.stderr)")
    + cell("object()")
    + cell("print('x' * 400_000)"),
}


@dataclass
class Shared:
    folder: Path
    requirements: Path
    refused: str
    printed: str

    def run(self, *stems: str, **options: Any) -> list[RunReport]:
        return run_notebooks(self.folder, stems, requirements=self.requirements, jobs=2, **options)

    def stored(self, stem: str = "01-good") -> Path:
        return self.folder / f"{stem}.ipynb"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """All notebooks above, run once where the user's own settings would break each of them."""
    root = tmp_path_factory.mktemp("run")
    folder, hostile = root / "notebooks", root / "hostile"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "three.txt").write_text("three")
    for stem, text in {"01-good": GOOD, **BAD}.items():
        (folder / f"{stem}.py").write_text(text, "utf-8")
    requirements = root / "requirements-notebooks.txt"
    requirements.write_text("# pins\nipython==" + version("ipython") + "  # shows\n", "utf-8")
    startup = hostile / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("started = True; print('started')")
    kernel = hostile / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        '{"argv": ["false"], "display_name": "x", "language": "python"}'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(hostile / "jupyter"))
        patch.setenv("IPYTHONDIR", str(hostile / "ipython"))
        patch.setenv("PYTHONPATH", str(hostile))
        patch.setenv("PYTHONOPTIMIZE", "1")
        patch.setenv("OMP_NUM_THREADS", "7")
        written: list[str] = []
        patch.setattr(execute.tqdm, "write", lambda line, file: written.append(line))
        with pytest.raises(Refused) as refused:
            run_notebooks(folder, [], requirements=requirements, jobs=3, time_limit=4)
    for stem in BAD:
        (folder / f"{stem}.py").unlink()
    yield Shared(folder, requirements, str(refused.value), "\n".join(written))


def version(package: str) -> str:
    return execute._installed(package)


@pytest.mark.parametrize(
    "words",
    [
        "02-false.py:15: this cell states claim two-is-one, which is false: 2 not one; find out why",
        "03-raises.py:14: this cell raises ValueError: it broke; mend it",
        "04-counterfactuals.py:20: this cell states claim survives, which survives its counterfactual",
        "has a falsify (claim broken-falsify) that itself raises AssertionError: here",
        "states claim broken-claim, which under its counterfactual raises ZeroDivisionError",
        "05-hangs.py:13: this cell did not end within 4 s",
        "06-dies.py:13: this cell ended its kernel",
        "08-hangs.py:13: this cell states claim hangs, whose counterfactual did not end in 4 s",
        "09-dies.py:13: this cell states claim dies, whose counterfactual ended the kernel",
        "07-outputs.py:13: this cell wrote to stderr: careful",
        "07-outputs.py:21: this cell shows a memory address (at 0x",
        "07-outputs.py: gives a notebook of 40",
    ],
)
def test_what_goes_wrong_in_a_run_is_told_as_a_sentence(shared: Shared, words: str) -> None:
    assert words in shared.refused
    assert "Traceback" not in shared.refused


def test_the_good_notebook_is_stored_and_only_it(shared: Shared) -> None:
    assert [path.name for path in shared.folder.glob("*.ipynb")] == ["01-good.ipynb"]
    assert len(shared.refused.splitlines()) == 12
    assert "02-false: refused (1)" in shared.printed
    assert "claims, written" in shared.printed
    text = shared.stored().read_text("utf-8")
    assert text.endswith("}\n")
    assert json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n" == text
    evidence = read_evidence(shared.stored())
    assert evidence.stamp.versions["ipython"] == version("ipython")
    assert evidence.cells[3].outputs[0]["text"] == "a\nb\n"
    assert [c.slug for c in evidence.claims] == ["draws-below-one", "alone"]


def test_kernels_see_this_python_and_no_settings_of_the_user(shared: Shared) -> None:
    alone = read_evidence(shared.stored()).claims[1].measured
    assert alone == f"{sys.executable} OMP_NUM_THREADS PYTHONHASHSEED PYTHONUTF8 1 "


def test_a_rerun_that_gives_the_same_leaves_the_file_alone(shared: Shared) -> None:
    document = json.loads(shared.stored().read_text("utf-8"))
    document["metadata"]["provenance"]["executed"] = "2001-02-03"
    old = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    shared.stored().write_text(old, "utf-8")
    assert stale_notebooks(shared.folder, [], shared.requirements) == []
    assert shared.run("01-good") == []  # nothing to do
    (report,) = shared.run("01-good", force=True)
    assert not report.written
    assert shared.stored().read_text("utf-8") == old


def test_a_changed_input_renews_the_stamp_and_only_new_cells_get_new_ids(
    shared: Shared, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shared.folder / "01-good.py"
    before = read_evidence(shared.stored())
    text.write_text(GOOD + cell("'one more'"), "utf-8")
    (report,) = shared.run()
    after = read_evidence(shared.stored())
    assert report.written
    assert after.stamp.executed > "2025"
    assert [c.id for c in after.cells[:-2]] == [c.id for c in before.cells]
    printed, bar = capsys.readouterr()
    assert printed.startswith("01-good: ")
    assert bar == ""
    text.write_text(GOOD, "utf-8")
    shared.run()


def test_other_seeds_and_instructions_are_tried_and_not_kept(shared: Shared) -> None:
    before = {path: path.read_bytes() for path in shared.folder.rglob("*") if path.is_file()}
    (report,) = shared.run(seed=7, portable=True)
    assert "SEED 7, THREADS 2" in report.claims[0].measured
    assert report.claims[1].measured.endswith("2 default")
    assert not report.written
    assert {
        path: path.read_bytes() for path in shared.folder.rglob("*") if path.is_file()
    } == before


def test_a_claim_that_another_seed_refutes_names_the_seed(tmp_path: Path, shared: Shared) -> None:
    body = "measured = f'{SEED}'\nassert SEED == 0, measured"
    (tmp_path / "01-seed.py").write_text(HEAD + claim("zero", body, "SEED = 1"))
    with pytest.raises(Refused, match="claim zero, which is false with SEED = 3: 3;"):
        run_notebooks(tmp_path, [], requirements=shared.requirements, jobs=1, seed=3)


def test_a_number_changed_by_hand_is_stale_and_differs_from_a_rerun(
    shared: Shared, tmp_path: Path
) -> None:
    text = shared.stored().read_text("utf-8")
    number = str(read_evidence(shared.stored()).results["total"])
    shared.stored().write_text(text.replace(number, "4.56"), "utf-8")
    edited = read_evidence(shared.stored())
    (fault,) = stale_notebooks(shared.folder, [], shared.requirements)
    assert "was changed by hand since it ran" in str(fault)
    shared.run(keep=tmp_path)
    faults = compare_outputs(edited, read_evidence(tmp_path / "01-good.ipynb"))
    assert len(faults) == 2
    assert f"4.56 stored, {number} now" in str(faults[0])
    shared.stored().write_text(text, "utf-8")


# ── how it ends ────────────────────────────────────────────────────────────────────────────────

SLEEPS = HEAD + cell(
    "import os\nimport time\n\nprint(os.getpid(), file=open('pid', 'w'), flush=True)\ntime.sleep(60)"
)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
)
def test_a_runner_that_is_stopped_leaves_the_notebook_and_no_kernel(
    number: int, status: int, tmp_path: Path, shared: Shared
) -> None:
    (tmp_path / "01-sleeps.py").write_text(SLEEPS, "utf-8")
    (tmp_path / "01-sleeps.ipynb").write_text("what was there", "utf-8")
    script = (
        "import sys\nfrom pathlib import Path\nfrom stages.execute import run_notebooks\n"
        "try:\n    run_notebooks(Path(sys.argv[1]), [], requirements=Path(sys.argv[2]), jobs=1)\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    scripts = str(Path(execute.__file__).parents[1])
    runner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(shared.requirements)],
        env={**os.environ, "PYTHONPATH": scripts, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
    )
    pid = tmp_path / "pid"
    assert within(30, lambda: pid.exists() and pid.read_text().strip() != "")
    kernel = int(pid.read_text())
    runner.send_signal(number)
    _, said = runner.communicate(timeout=30)
    assert runner.returncode == status
    assert said == b""
    assert within(10, lambda: not is_alive(kernel))
    assert (tmp_path / "01-sleeps.ipynb").read_text("utf-8") == "what was there"


def within(seconds: float, condition: Any) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_kernel_that_does_not_start_is_told_with_its_last_words(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = (sys.executable, "-c", "import sys; sys.exit('no kernel here')", "{connection_file}")
    monkeypatch.setattr(execute, "KERNEL", broken)
    with pytest.raises(Refused, match=r"01-good\.py: the kernel did not start: no kernel here"):
        shared.run(keep=tmp_path)


# ── before the run ─────────────────────────────────────────────────────────────────────────────


def test_versions_other_than_the_pinned_are_refused(shared: Shared, tmp_path: Path) -> None:
    requirements = tmp_path / "requirements-notebooks.txt"
    requirements.write_text("ipython==0.1\nno-such-package==1\n")
    with pytest.raises(Refused) as refused:
        run_notebooks(shared.folder, [], requirements=requirements, jobs=1)
    assert f"ipython 0.1 is pinned, but {version('ipython')} is installed" in str(refused.value)
    assert "no-such-package 1 is pinned, but no version is installed" in str(refused.value)


def test_a_missing_requirements_file_is_refused(shared: Shared, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="it pins what the notebooks run with"):
        run_notebooks(shared.folder, [], requirements=tmp_path / "none.txt", jobs=1)


@pytest.mark.parametrize("asked", ["01", "01-god", "1-good"])
def test_an_unknown_stem_is_refused_with_the_nearest(shared: Shared, asked: str) -> None:
    with pytest.raises(Refused, match="did you mean 01-good"):
        chosen_stems(shared.folder, [asked])
    assert chosen_stems(shared.folder, ["01-good", "01-good"]) == ["01-good"]


def test_pins_are_read_from_a_requirements_file() -> None:
    text = "# torch==1\n\nTorch==2.1.0 \\\n  --hash=sha256:00\nscikit_learn[x] == 1.9 ; python_version > '3'\nnumpy>=2\n"
    assert pins(text) == {"torch": "2.1.0", "scikit-learn": "1.9"}


def test_staleness_names_the_input_that_changed(shared: Shared, tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    (folder / "data").mkdir(parents=True)
    data, text, stored = folder / "data/three.txt", folder / "01-good.py", folder / "01-good.ipynb"
    data.write_text("three")
    text.write_bytes(GOOD.replace("\n", "\r\n").encode())  # line ends are no change
    stored.write_bytes(shared.stored().read_bytes())
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n# another comment\n" + shared.requirements.read_text())

    def reasons() -> str:
        return "\n".join(map(str, stale_notebooks(folder, [], requirements)))

    assert reasons() == ""
    (folder / "data/other.txt").write_text("not named in the text")
    assert reasons() == ""
    data.write_text("four")
    assert (
        "was executed before its data changed; run python scripts/build.py notebooks 01-good"
        in reasons()
    )
    requirements.write_text("ipython==1\n")
    text.write_text(GOOD + "\n")
    assert reasons().count("was executed before") == 3
    document = json.loads(stored.read_text("utf-8"))
    document["metadata"]["provenance"]["inputs"] = inputs_of(text, requirements.read_text())
    document["cells"][0]["source"] = "# Another title"
    stored.write_text(json.dumps(document))
    assert "has cells that are not those of its text" in reasons()
    del document["metadata"]["provenance"]
    stored.write_text(json.dumps(document))
    assert "has no stamp of a run" in reasons()
    stored.write_text("{")
    assert "cannot be read as a notebook" in reasons()
    stored.unlink()
    assert "was never executed" in reasons()
    (folder / "02-orphan.ipynb").write_text("{}")
    assert "02-orphan.ipynb: has no text beside it" in reasons()


LONG = "\n".join(f"x = {n}" for n in range(26))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("# # A title", "# A title"), "01.py: does not begin with a title"),
        (HEAD + cell(LONG), "01.py:13: this cell has 26 lines; split it: 25 at most"),
        (HEAD + "\n# %%\n1\n", "01.py:10: this cell has no sentence before it"),
        (
            HEAD + cell(LONG[:160]) + cell(LONG[:160]),
            "half of its code cells have more than 6 lines",
        ),
        (HEAD + cell("1\n2 +"), "01.py:14: this cell is not Python (invalid syntax)"),
        (HEAD + cell("%time 1"), "01.py:13: this cell is not Python"),
        (HEAD + "\n# %% [raw]\n# x\n", "this cell is a raw cell"),
        (HEAD + "\n# %% [markdown]\n# x\n\n# %%\n", "this cell is empty"),
        ("x = 1\n" + HEAD, "has text before its first cell"),
        (HEAD + cell("1", "timing"), "01.py:13: this cell has unknown metadata 'title'"),
        (HEAD + cell("1", "tags=[claim"), "this cell has unknown metadata"),
        (HEAD + "\0", "contains a NUL character"),
        ("", "there is no code cell"),
    ],
)
def test_faults_of_the_text_are_told_by_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "01.py"
    path.write_text(text, "utf-8")
    with pytest.raises(Refused) as refused:
        read_notebook_text(path, "notebooks/01.py")
    assert words in str(refused.value)


def test_texts_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "01.py").write_bytes(b"\xff")
    with pytest.raises(Refused, match=r"is not UTF-8 \(byte 0\)"):
        read_notebook_text(tmp_path / "01.py")
    with pytest.raises(Refused, match="cannot be read"):
        read_notebook_text(tmp_path / "02.py")


def test_ids_come_from_claim_and_content(tmp_path: Path) -> None:
    path = tmp_path / "01.py"
    path.write_text(GOOD, "utf-8")
    before = [c.id for c in read_notebook_text(path).cells]
    inserted = "\n# %% [markdown]\n# Something new.\n\n# %%\n0\n"
    text = GOOD.replace('# %% tags=["timing"]', "# %% tolerance=0.1")
    path.write_text(text.replace(HEAD, HEAD + inserted), "utf-8")
    after = [c.id for c in read_notebook_text(path).cells]
    assert "claim-draws-below-one" in before
    assert len(set(before)) == len(before)
    assert [name for name in after if name in before] == before  # metadata make no difference


# ── the counterfactual, as it runs in the kernel ───────────────────────────────────────────────


def defined(source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace


def test_a_counterfactual_reaches_functions_classes_and_shared_values() -> None:
    namespace = defined(
        "rows = [[1], [2]]\nfirst = rows[0]\nscale = 1\n"
        "def total(): return scale * sum(r[0] for r in rows)\n"
        "class Net:\n    def out(self): return scale\nnet = Net()\nstream = (n for n in rows)"
    )
    claim = "measured = f'{total()}'\nassert total() == 3 and net.out() == 1, measured"
    assert counterfactual.verdict(namespace, "scale = 2", claim) == ("noticed", "AssertionError: 6")
    assert counterfactual.verdict(namespace, "first[0] = 5", claim)[0] == "noticed"
    assert counterfactual.verdict(namespace, "del rows", claim)[0] == "broken claim"
    assert counterfactual.verdict(namespace, "pass", claim)[0] == "survives"
    assert counterfactual.verdict(namespace, "def total(: pass", claim)[0] == "broken falsify"
    assert counterfactual.verdict(namespace, "raise SystemExit", claim)[0] == "broken falsify"
    assert namespace["rows"] == [[1], [2]]
    assert "measured" not in namespace
    assert next(namespace["stream"]) is namespace["rows"][0]


def test_a_counterfactual_leaves_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    numpy = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    namespace = defined(
        "import random, warnings, numpy, torch\nfrom matplotlib import pyplot\n"
        "g = torch.Generator().manual_seed(1)\nw = torch.ones(1, requires_grad=True) * 2\nlistof = [w]"
    )
    states = [
        random.getstate(),
        numpy.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
    ]
    falsify = (
        "print('x'); warnings.warn('y'); random.random(); numpy.random.rand(); torch.rand(1)\n"
        "torch.rand(1, generator=g); pyplot.figure(); listof.append(1); __builtins__"
    )
    assert counterfactual.verdict(namespace, falsify, "assert 0")[0] == "noticed"
    assert states == [
        random.getstate(),
        numpy.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
    ]
    assert namespace["g"].get_state().equal(torch.Generator().manual_seed(1).get_state())
    assert namespace["listof"] == [namespace["w"]]
    assert pyplot.get_fignums() == []
    assert capsys.readouterr() == ("", "")
