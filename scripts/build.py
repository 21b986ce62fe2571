#!/usr/bin/env python3
"""The command: one verb for each thing that can be made. `python scripts/build.py --help`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from stages.records import Fault, Refused

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements-notebooks.txt"
SOURCE, NOTEBOOKS = ROOT / "source", ROOT / "notebooks"
PAGES, SITE, DOCS = ROOT / "docs" / "questions", ROOT / "site", ROOT / "docs"


def _shown(path: Path) -> str:
    """A path as the user would name it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _pages(args: argparse.Namespace) -> int:
    from stages.pages import (
        assemble,
        page_files,
        refuse_what_is_in_the_way,
        write_counts,
        write_front,
        write_pages,
    )

    made = assemble(args.source, args.notebooks or NOTEBOOKS, by_number=args.notebooks is not None)
    ours = args.output.resolve() == PAGES
    refuse_what_is_in_the_way(
        {args.output: page_files(made)} | ({DOCS: made.front} if ours else {})
    )
    _notices(made.notices)
    changed = write_pages(made, args.output)
    if ours:
        write_front(made, DOCS)
        write_counts(made, ROOT / "README.md")
    else:
        _notices(["these pages link to topics.md and others, which are written only into docs/"])
    print(f"{len(made.pages)} pages in {_shown(args.output)}, {len(changed)} files changed")
    return 0


def _notices(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"note: {line}", file=sys.stderr)


def _notebooks(args: argparse.Namespace) -> int:
    folder = args.notebooks or NOTEBOOKS
    requirements = REQUIREMENTS
    if args.check:
        from stages.provenance import stale_notebooks

        if stale := stale_notebooks(folder, args.stems, requirements):
            raise Refused(stale)
        print("the notebooks are up to date")
        return 0
    from stages.execute import run_notebooks

    run_notebooks(
        folder,
        args.stems,
        requirements=requirements,
        jobs=args.jobs,
        seed=args.seed,
        portable=args.portable,
        force=args.all,
        time_limit=args.time_limit,
    )
    return 0


def _site(args: argparse.Namespace) -> int:
    from stages.site import build_site

    build_site(
        ROOT,
        args.source,
        args.notebooks or NOTEBOOKS,
        args.output,
        by_number=args.notebooks is not None,
    )
    print(f"the site is in {_shown(args.output)}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from stages.check import check_site

    faults = check_site(args.site, site_url=os.environ.get("SITE_URL"))
    if faults:
        raise Refused(faults)
    print(f"{_shown(args.site)} passes every gate")
    return 0


def _serve(args: argparse.Namespace) -> int:
    from mkdocs.__main__ import State
    from mkdocs.commands.serve import serve
    from mkdocs.exceptions import MkDocsException

    from stages.site import refusal

    os.environ.setdefault("NOTEBOOK_VIEWS", "false" if args.no_views else "true")
    # As long as this lives, progress is shown as by `mkdocs serve`.
    shown = State()  # type: ignore[no-untyped-call]
    try:
        serve(str(ROOT / "mkdocs.yml"), livereload=True, dev_addr=args.address, strict=False)
    except MkDocsException as error:
        raise refusal(error) from None
    except OSError as error:
        if error.filename:
            raise
        todo = "name another with --address"
        raise Refused([Fault(args.address, 0, error.strerror or str(error), todo)]) from None
    finally:
        del shown
    return 0


def _publish(args: argparse.Namespace) -> int:
    from stages.check import check_site
    from stages.provenance import stale_notebooks
    from stages.publish import pages_address, publish
    from stages.site import build_site

    # What is published was run as it stands: no cell, pin or stored number changed since.
    if stale := stale_notebooks(NOTEBOOKS, [], REQUIREMENTS):
        raise Refused(stale)
    if "SITE_URL" not in os.environ:
        if address := pages_address(args.remote, ROOT):
            os.environ["SITE_URL"] = address
        else:
            print(
                "note: SITE_URL is not set, so absolute links lead to this machine", file=sys.stderr
            )
    # A folder of its own: another build may replace site/ at any moment.
    with tempfile.TemporaryDirectory(prefix="publish-") as folder:
        site = Path(folder) / "site"
        build_site(ROOT, SOURCE, NOTEBOOKS, site, by_number=False)
        if faults := check_site(site, site_url=os.environ.get("SITE_URL")):
            raise Refused(faults)
        print(
            publish(
                site,
                remote=args.remote,
                branch=args.branch,
                dry_run=args.dry_run,
                repository=ROOT,
            )
        )
    return 0


def _new(args: argparse.Namespace) -> int:
    from stages.new import new_question

    for path in new_question(args.number, args.question, args.source, args.notebooks or NOTEBOOKS):
        print(_shown(path))
    return 0


def _from(least: int) -> Callable[[str], int]:
    """A reader of whole numbers of at least `least`, for arguments."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least}")
        return int(text)

    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="build.py", description=__doc__)
    verbs = parser.add_subparsers(metavar="verb", required=True)

    def verb(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    def inputs(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--source", type=Path, default=SOURCE, help="a text file or a folder of them"
        )
        sub.add_argument("--notebooks", type=Path, help="the folder of notebooks")

    new = verb("new", _new, "write skeletons of a text and its notebook")
    new.add_argument("number", type=int, help="the next number")
    new.add_argument("question", help="the question, in quotes")
    inputs(new)

    pages = verb(
        "pages", _pages, "source text and executed notebooks → one Markdown page a question"
    )
    inputs(pages)
    pages.add_argument("--output", type=Path, default=PAGES, help="where the pages go")

    books = verb("notebooks", _notebooks, "execute the notebooks whose inputs changed")
    books.add_argument("stems", nargs="*", metavar="STEM", help="which; all without one")
    books.add_argument("--notebooks", type=Path, help="the folder of notebooks")
    books.add_argument("--all", action="store_true", help="execute also those that are up to date")
    books.add_argument(
        "--jobs", type=_from(1), default=os.cpu_count() or 1, help="how many side by side"
    )
    books.add_argument("--check", action="store_true", help="only say which are stale")
    books.add_argument(
        "--seed", type=_from(0), help="try the claims under another seed; keep nothing"
    )
    books.add_argument(
        "--portable",
        action="store_true",
        help="try the claims with another instruction set and two threads; keep nothing",
    )
    books.add_argument("--time-limit", type=_from(1), default=300, help="seconds for one cell")

    site = verb("site", _site, "pages, then a strict MkDocs build")
    inputs(site)
    site.add_argument("--output", type=Path, default=SITE, help="where the site goes")

    check = verb("check", _check, "hold a built site against its gates")
    check.add_argument("site", type=Path, nargs="?", default=SITE)

    serve = verb("serve", _serve, "serve the site, live on a change of text, notebook or look")
    serve.add_argument("--address", default="127.0.0.1:8000", help="host:port")
    serve.add_argument("--no-views", action="store_true", help="leave out the full notebook views")

    publish = verb("publish", _publish, "site, check, then push; on any failure nothing changes")
    publish.add_argument("--remote", default="origin", help="a git remote or its address")
    publish.add_argument("--branch", default="gh-pages")
    publish.add_argument("--dry-run", action="store_true", help="do everything but push")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit status: 0 done, 1 refused, 2 wrong usage, 130 interrupted."""
    args = _parser().parse_args(arguments)
    try:
        return int(args.run(args))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except OSError as error:
        fault = Fault(
            str(error.filename2 or error.filename or "the disk"),
            0,
            error.strerror or str(error),
            "mend it and run again",
        )
        print(fault, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        fault = Fault(
            "scripts/build.py",
            0,
            f"the package {error.name} is not installed for {sys.executable}",
            "set up with `make site`, then run .venv/bin/python scripts/build.py",
        )
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was there is as it was", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
