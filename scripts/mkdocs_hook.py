"""The one hook of mkdocs.yml: lets plain `mkdocs build` and `mkdocs serve` call the stages.

It writes the pages into docs/, sets what follows from the source text (navigation, title, rights
note) and hands the notebooks to their view. The work is done in `stages`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort
from mkdocs.livereload import LiveReloadServer
from mkdocs.plugins import CombinedEvent, event_priority
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from stages import search, share, slim, study, views
from stages.front import STUDY, navigation
from stages.glossary import NAME as GLOSSARY
from stages.pages import (
    Assembled,
    assemble,
    page_files,
    refuse_what_is_in_the_way,
    write_front,
    write_pages,
)
from stages.records import Refused
from stages.site import GENERATED
from stages.template import escape_title
from stages.write import written_before

# `mkdocs serve` builds again and again in one process: after a refused edit it goes on with the
# last good text, and says on every page what was refused.
_serving = False
_good: Assembled | None = None
_refused: Refused | None = None
_copies = views.Copies({}, {}, {})
_pictures: dict[str, share.Picture] = {}


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).resolve().parent


def on_startup(command: Literal["build", "gh-deploy", "serve"], dirty: bool) -> None:
    """Remember whether a browser is waiting for the next good build."""
    global _serving
    _serving = command == "serve"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the pages, and set what follows from the source text."""
    global _good, _refused, _copies, _pictures
    root, bank_paths = _root(config), config.extra["bank"]
    try:
        _good = assemble(
            root / bank_paths["source"],
            root / bank_paths["notebooks"],
            by_number=bank_paths["by_number"],
            repository=config.repo_url or "",
            branch=config.extra["branch"],
            views=views.views_wanted(config),
        )
        _copies = views.make_copies(
            _good.notebooks, _good.evidence, config.site_url or "", views=views.views_wanted(config)
        )
        _refused = None
    except Refused as refused:
        if not (_serving and _good):
            raise Abort(str(refused)) from refused
        _refused = refused
        print(f"{refused}\nThe pages stay as they were.", file=sys.stderr)
    if not _refused:
        for notice in _good.notices:
            print(f"note: {notice}", file=sys.stderr)
    docs = Path(config.docs_dir)
    try:
        refuse_what_is_in_the_way({docs / "questions": page_files(_good), docs: _good.front})
        write_pages(_good, docs / "questions")
        write_front(_good, docs)
        views.write_copies(_copies, docs)
    except Refused as refused:
        raise Abort(str(refused)) from refused
    except OSError as error:
        path = error.filename2 or error.filename
        raise Abort(f"{path}: {error.strerror}; mend it and build again") from error
    by_hand = sorted(p.name for p in docs.glob("*.md") if p.name not in _good.front)
    config.nav = navigation(_good.bank, _good.front, by_hand)
    config.site_name = escape_title(_good.bank.title)
    config.copyright = escape_title(_good.bank.rights) or config.copyright
    _pictures = {} if _serving else share.pictures(_good.bank, _good.evidence)
    views.on_config(config)
    return config


def _hashed(path: str, files: Files) -> str:
    """Put a hash into the name of a file of ours: a browser may keep it for ever."""
    file = files.get_file_from_path(path)
    if file is None:
        return path
    digest = hashlib.sha256(file.content_bytes).hexdigest()[:8]
    stem, _, ending = path.rpartition(".")
    file.dest_uri = file.url = f"{stem}.{digest}.{ending}"
    return file.dest_uri


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Complete the script of the study page, and put hashes into the names of our files.

    A page names the files that it alone needs in its front matter, as `scripts` and `styles`;
    docs/overrides/main.html looks their hashed names up in `extra.assets`.
    """
    if ours := files.get_file_from_path(study.SCRIPT):
        if script := study.study_script(_root(config)):
            ours.content_bytes = script
        else:
            files.remove(ours)
            print(f"note: {study.LEFT_OUT}", file=sys.stderr)
    config.extra_css = [_hashed(path, files) for path in config.extra_css]
    config.extra_javascript = [_hashed(str(path), files) for path in config.extra_javascript]
    config.extra["search_worker"] = _hashed(search.WORKER, files)
    config.extra["assets"] = {
        file.src_uri: _hashed(file.src_uri, files)
        for file in files
        if re.fullmatch(r"assets/[\w-]+\.(css|js)", file.dest_uri)  # without a hash
    }
    files = share.on_files(files, config, _pictures)
    return views.on_files(files, config, _copies)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Hand the views of notebooks to their stage; say what the study page lacks, if it does."""
    if page.file.src_uri == STUDY and study.SCRIPT not in config.extra["assets"]:
        return study.without_scheduler(html)
    html = re.sub(r"<th( [^>]*)?></th>", r"<td\1></td>", html)  # it is the head of nothing
    # Print shows where links lead that leave the site.
    html = html.replace('<a href="http', '<a class="out" href="http')
    if _good:
        share.on_page_content(page, _good.bank, _good.evidence)
    return views.on_page_content(html, page)


@event_priority(100)
def _before_search(
    context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Any
) -> dict[str, Any]:
    """Point 'edit this page' at a page's source text; show the search only what is searched."""
    page.edit_url = _edit_address(page, config)
    if _good:
        context["share"] = share.on_page_context(
            page, config, _good.bank, _good.evidence, _pictures
        )
    context["whole"] = page.content
    page.content = search.searched(page.content or "")
    return context


@event_priority(-100)
def _after_search(
    context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Any
) -> dict[str, Any]:
    """Put the whole page back."""
    page.content = context.pop("whole")
    return context


on_page_context = CombinedEvent(_before_search, _after_search)


def _edit_address(page: Page, config: MkDocsConfig) -> str | None:
    """Where the text of a page is edited; None for what is made of all texts, and for other texts
    than the repository's."""
    if not config.repo_url or not _good:
        return None
    root, name = _root(config), page.file.src_uri
    texts = {f"questions/{q.stem}.md": Path(q.path) for q in _good.bank.questions}
    texts[GLOSSARY] = root / config.extra["bank"]["source"] / GLOSSARY
    if name in texts:
        text = texts[name].resolve()
        if not text.is_relative_to(root):
            return None
        name = text.relative_to(root).as_posix()
    elif name in _good.front or name.endswith(".ipynb"):
        return None
    else:
        name = f"docs/{name}"
    return f"{config.repo_url.rstrip('/')}/edit/{config.extra['branch']}/{quote(name)}"


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """While serving: show above the page what was refused."""
    output = views.on_post_page(output, page)
    if not _refused:
        return output
    from html import escape

    lines = "".join(f"<li>{escape(str(fault))}</li>" for fault in _refused.faults)
    banner = f'<div class="refused" role="alert">The last edit was refused:<ul>{lines}</ul></div>'
    start = output.find("<body")
    start = output.find(">", start) + 1 if start >= 0 else 0
    return output[:start] + banner + output[start:]


@event_priority(-100)
def on_post_build(config: MkDocsConfig) -> None:
    """Let the browser fetch the search index only for a search, and only styles that apply."""
    search.defer_index(Path(config.site_dir))
    if not _serving:
        slim.slim_site(Path(config.site_dir))


def on_serve(server: LiveReloadServer, config: MkDocsConfig, builder: Any) -> LiveReloadServer:
    """Watch what pages are made from, and not what is made: one edit is one rebuild."""
    root, docs, bank_paths = _root(config), Path(config.docs_dir), config.extra["bank"]
    server.unwatch(str(docs))
    made = {*GENERATED, *written_before(docs)}
    for path in sorted(docs.iterdir()):
        if path.name not in made and not path.name.startswith("."):
            server.watch(str(path))
    for path in (root / bank_paths["source"], root / bank_paths["notebooks"]):
        if path.exists():
            server.watch(str(path))
    server.watch(str(root / "scripts" / "templates"))
    return server
