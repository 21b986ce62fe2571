"""Style sheets and scripts, without what can apply to nothing on this site.

Material styles all that any site may have: forty kinds of admonition, text from right to left,
tabs, versions. A rule stays if all that its selector needs (elements, classes, ids, attributes) is
in some built page, or is a word of some script, which may make it at run time. What cannot be told
stays too. Custom properties that nothing reads go, keyframes that nothing runs, and comments.

Rules are kept as they are, in their order, or dropped: how they override each other is unchanged.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import tinycss2

from stages.css import split
from stages.dark import dark_before_scripts
from stages.search import INDEX
from stages.write import write_if_changed

SHEETS = "assets/stylesheets"  # the theme's
SCRIPTS = "assets/javascripts"

# What Material's script makes only where a page has one of the marks beside it: a class, an
# attribute (with a value), or in its settings this text. The keys are how the names begin that go
# without a mark.
_PREVIEWS = ('"content.footnote.tooltips"', '"navigation.instant.preview"', "data-preview")
_ANNOTATIONS = ("annotate", '"content.code.annotate"', '"annotate": {')
ONLY_WITH: Mapping[str, tuple[str, ...]] = {
    "md-annotation": _ANNOTATIONS,
    "md-source": ("data-md-component=source",),
    "md-tooltip": ('"content.tooltips"', *_PREVIEWS, *_ANNOTATIONS),
    "md-version": ('"version": {',),
    "tabbed": ("tabbed-set",),
}

_TAG = re.compile(r"""<([a-zA-Z][^\s/>]*)((?:[^>"']|"[^"]*"|'[^']*')*)>""")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""")
# Not what search engines read (JSON-LD): no script makes anything of its words.
_SCRIPT = re.compile(r"<script\b(?![^>]*\bld\+json)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_STYLE = re.compile(r"<style\b[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)
# What a script only reads, it does not make.
_READING = re.compile(r"""\b(?:get|has)Attribute\((["'])[-\w]+\1\)""")
_WORD = re.compile(r"[-\w]+")
_USE = re.compile(r"var\((?:\s|/\*.*?\*/)*(--[-\w]+)", re.DOTALL | re.IGNORECASE)
_PROPERTY = re.compile(r"\s*(--[-\w]+)\s*:")
_KEYFRAMES = re.compile(r"@(?:-\w+-)?keyframes\s+([-\w]+)\s*{")
_SOURCE_MAP = re.compile(rb"\n?//# sourceMappingURL=\S+\s*\Z")
_IMPLIED = frozenset("html head body tbody colgroup".split())  # there even without a tag
# A browser drops a whole list of selectors for one that it does not know; these all know.
_KNOWN_PSEUDOS = frozenset(
    "active after before checked empty first-child focus focus-visible focus-within hover "
    "indeterminate is last-child link marker not nth-child only-child root target valid visited "
    "where".split()
)


# ── what the site has ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Seen:
    """What occurs in the pages, and what scripts may add to them.

    Attributes:
        tags: the names of elements.
        attributes: the values of each attribute.
        inline: the text of the scripts and settings in the pages.
        scripts: the text of all scripts, those in the pages included.
        styles: the text of style elements and style attributes.
    """

    tags: frozenset[str]
    attributes: Mapping[str, frozenset[str]]
    inline: str
    scripts: str
    styles: str

    @cached_property
    def classes(self) -> frozenset[str]:
        """Every class that stands in a page."""
        return frozenset(c for value in self.attributes.get("class", ()) for c in value.split())

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of a script, in strings and outside of them."""
        return frozenset(_WORD.findall(_READING.sub("", self.scripts)))

    @cached_property
    def beginnings(self) -> tuple[str, ...]:
        """Words to which a script joins an end, as in "md-tag--" + type."""
        return tuple(w for w in self.words if w[-1] in "-_" and re.search("[a-z]{2}", w))

    @cached_property
    def switched_off(self) -> tuple[str, ...]:
        """How the names of features begin of which no page has a mark."""

        def marked(mark: str) -> bool:
            if mark.startswith('"'):
                return mark in self.inline
            name, _, value = mark.partition("=")
            if value:
                return value in self.attributes.get(name, ())
            return mark in self.classes or mark in self.attributes

        return tuple(begin for begin, marks in ONLY_WITH.items() if not any(map(marked, marks)))

    def made(self, name: str) -> bool:
        """Whether a script may make this name."""
        if not _WORD.fullmatch(name):  # escaped in a selector, and perhaps otherwise in a script
            return True
        if name.startswith(self.switched_off):
            return False
        return name in self.words or name.startswith(self.beginnings)

    def has_tag(self, name: str) -> bool:
        """Whether there may be such an element; its name in lower case."""
        return name in self.tags or name in _IMPLIED or self.made(name)

    def has_class(self, name: str) -> bool:
        """Whether an element may have this class."""
        return name in self.classes or self.made(name)

    def has_id(self, name: str) -> bool:
        """Whether an element may have this id."""
        return name in self.attributes.get("id", ()) or self.made(name)

    def has_attribute(self, name: str, sign: str = "", value: str = "") -> bool:
        """Whether an element may have this attribute, with a value that `sign` compares with."""
        camel = re.sub("-(.)", lambda m: m[1].upper(), name.removeprefix("data-"))
        made = self.made(name) or self.made(camel)
        if name not in self.attributes and not made:
            # Browsers set attributes of their own, as `open`, but not these.
            return not sign and not name.startswith(("data-", "aria-"))
        if not sign or value in ("", "true", "false"):
            return True
        values = {v.lower() for v in self.attributes.get(name, ())}  # as some are compared
        if sign == "=":
            return value.lower() in values or (made and self.made(value))
        return any(value.lower() in v for v in values) or value in self.scripts


def look_at(pages: Iterable[str], scripts: Iterable[str]) -> Seen:
    """Note what occurs in these HTML pages (or JSON with HTML in it), and in these scripts."""
    inline: set[str] = set()
    styles: set[str] = set()
    found: set[tuple[str, str]] = set()
    for page in pages:
        inline.update(_SCRIPT.findall(page))
        styles.update(_STYLE.findall(page))
        found.update(_TAG.findall(page))  # most tags stand on many pages: each is read once
    attributes: dict[str, set[str]] = {}
    for _, rest in found:
        for name, *values in _ATTRIBUTE.findall(rest):
            attributes.setdefault(name.lower(), set()).add(html.unescape("".join(values)))
    within = "\n".join(sorted(inline))
    return Seen(
        tags=frozenset(name.lower() for name, _ in found),
        attributes={name: frozenset(values) for name, values in attributes.items()},
        inline=within,
        scripts="\n".join([within, *scripts]),
        styles="\n".join(sorted(styles | attributes.get("style", set()))),
    )


# ── selectors ──────────────────────────────────────────────────────────────────────────────────


def _may_match(selector: Sequence[Any], seen: Seen) -> bool:
    """Whether some element may match; a selector with what is not understood may."""
    if any(token.type == "literal" and token.value == "|" for token in selector):
        return True  # a namespace
    tokens = iter(selector)
    for token in tokens:
        sign = token.value if token.type == "literal" else ""
        there = True
        if token.type == "ident":
            there = seen.has_tag(token.lower_value)
        elif token.type == "hash":
            there = seen.has_id(token.value)
        elif token.type == "[] block":
            there = _attribute_may_match(token.content, seen)
        elif sign == ".":
            name = next(tokens, None)
            there = name is None or name.type != "ident" or seen.has_class(name.value)
        elif sign == ":":
            name = next(tokens, None)
            if name is not None and name.type == "literal":  # the second colon of '::'
                name = next(tokens, None)
            if name is not None and name.type == "function":
                there = name.lower_name not in ("is", "where", "has") or any(
                    _may_match(part, seen) for part in split(name.arguments, ",")
                )
        if not there:
            return False
    return True


def _attribute_may_match(content: Sequence[Any], seen: Seen) -> bool:
    tokens = [token for token in content if token.type not in ("whitespace", "comment")]
    if not tokens or tokens[0].type != "ident" or tokens[0].lower_value in ("class", "id"):
        return True
    if len(tokens) == 1:
        return seen.has_attribute(tokens[0].lower_value)
    if len(tokens) == 3 and tokens[1].type == "literal" and tokens[2].type in ("ident", "string"):
        return seen.has_attribute(tokens[0].lower_value, tokens[1].value, tokens[2].value)
    return True


def _pseudos_known(tokens: Sequence[Any]) -> bool:
    colon = False  # whether one stands before
    for token in tokens:
        if token.type == "function":
            if token.lower_name not in _KNOWN_PSEUDOS or not _pseudos_known(token.arguments):
                return False
        elif colon and token.type == "ident" and token.lower_value not in _KNOWN_PSEUDOS:
            return False
        colon = token.type == "literal" and token.value == ":"
    return True


def _thinned(prelude: Sequence[Any], seen: Seen) -> str:
    """Those of a rule's selectors that may match; an empty text if none may."""
    selectors = split(prelude, ",")
    kept = [selector for selector in selectors if _may_match(selector, seen)]
    if kept and not _pseudos_known(prelude):
        kept = selectors
    return ",".join(tinycss2.serialize(selector).strip() for selector in kept)


# ── style sheets ───────────────────────────────────────────────────────────────────────────────


class _Garbled(ValueError):
    """A style sheet that a browser reads in its own way."""


@dataclass
class _Rule:
    """A rule, or what stays as it is.

    Attributes:
        head: the selectors, or the at-rule up to its block, or all of what stays.
        declarations: of a style rule.
        rules: within an at-rule.
    """

    head: str
    declarations: list[str] = field(default_factory=list)
    rules: list[_Rule] = field(default_factory=list)

    def text(self) -> str:
        if self.declarations:
            return f"{self.head}{{{';'.join(self.declarations)}}}"
        if self.rules:
            return f"{self.head}{{{''.join(rule.text() for rule in self.rules)}}}"
        return self.head

    def all(self) -> Iterator[_Rule]:
        """This rule, and the rules within."""
        yield self
        for rule in self.rules:
            yield from rule.all()


def _hold_whole(nodes: Iterable[Any]) -> None:
    for node in nodes:
        if node.type == "error":
            raise _Garbled(node.message)
        for part in ("prelude", "content", "arguments"):
            _hold_whole(getattr(node, part, None) or ())


def _rules(nodes: Sequence[Any], seen: Seen) -> list[_Rule]:
    """The rules that may apply to something.

    Raises:
        _Garbled: something is not CSS, or not closed.
    """
    _hold_whole(nodes)
    rules = []
    for node in nodes:
        if node.type == "at-rule" and node.lower_at_keyword in ("media", "supports"):
            if inner := _rules(tinycss2.parse_rule_list(node.content or (), True, True), seen):
                head = f"@{node.at_keyword}{tinycss2.serialize(node.prelude)}"
                rules.append(_Rule(head, rules=inner))
        elif node.type != "qualified-rule" or any(t.type == "{} block" for t in node.content):
            rules.append(_Rule(node.serialize()))  # what nests may mean more than its parent
        elif head := _thinned(node.prelude, seen):
            parts = (tinycss2.serialize(part).strip() for part in split(node.content, ";"))
            if declarations := [part for part in parts if part]:
                rules.append(_Rule(head, declarations))
    return rules


def _unread(rules: Sequence[_Rule], read: set[str]) -> set[str]:
    """The custom properties that nothing reads, by whatever chain of properties.

    `read` are those that something else reads.
    """
    reads: dict[str, set[str]] = {}
    for rule in rules:
        for text in rule.declarations or [rule.head]:
            name = _PROPERTY.match(text)
            uses = _USE.findall(text)
            (reads.setdefault(name[1], set()) if name else read).update(uses)
    new = set(read)
    while new:
        new = {name for reader in new for name in reads.get(reader, ())} - read
        read |= new
    return reads.keys() - read


def _tidy(rules: Iterable[_Rule], unread: set[str], elsewhere: str) -> Iterator[_Rule]:
    """The rules without unread properties, and without those that this empties."""
    for rule in rules:
        names = [_PROPERTY.match(text) for text in rule.declarations]
        left = [
            text
            for text, name in zip(rule.declarations, names, strict=True)
            if not (name and name[1] in unread)
        ]
        inner = list(_tidy(rule.rules, unread, elsewhere))
        frames = _KEYFRAMES.match(rule.head)
        emptied = bool(rule.declarations or rule.rules) and not (left or inner)
        unused = frames and not re.search(rf"(?<![-\w]){frames[1]}(?![-\w])", elsewhere)
        if not (emptied or unused):
            yield _Rule(rule.head, left, inner)


def slim_sheets(sheets: Mapping[str, str], seen: Seen) -> dict[str, str]:
    """A site's style sheets without what applies to nothing; one that is garbled stays as it is.

    Args:
        sheets: the text of each, by name.
        seen: what the site has.
    """
    slim: dict[str, list[_Rule]] = {}
    others = [seen.styles]
    for name, text in sheets.items():
        try:
            slim[name] = _rules(tinycss2.parse_stylesheet(text, True, True), seen)
        except _Garbled:
            others.append(text)
    every = [inner for rules in slim.values() for rule in rules for inner in rule.all()]
    mentioned = re.findall(r"--[-\w]+", seen.scripts)
    unread = _unread(every, {*mentioned, *_USE.findall("\n".join(others))})
    values = "\n".join([*others, seen.scripts, *(d for rule in every for d in rule.declarations)])
    return {
        name: "".join(rule.text() for rule in _tidy(slim[name], unread, values))
        if name in slim
        else text
        for name, text in sheets.items()
    }


# ── the built site ─────────────────────────────────────────────────────────────────────────────


def _renamed(path: Path, content: bytes) -> Path:
    """The file's name with a hash of its new content: a browser may keep the old one for ever."""
    stem, _, ending = re.sub(r"\.[0-9a-f]{8}(?=\.)", "", path.name).partition(".")
    return path.with_name(f"{stem}.{hashlib.sha256(content).hexdigest()[:8]}.{ending}")


def _searches_english(site: Path) -> bool:
    index = site / INDEX
    return index.is_file() and json.loads(index.read_bytes())["config"].get("lang") == ["en"]


def slim_site(site: Path) -> None:
    """Slim the style sheets of a built site, and mend the links of its pages.

    Source maps go, with the comments that name them. So do the search's languages, of which
    Material's worker loads none if it searches English only. The last of the theme's sheets, the
    palette, gets the dark scheme for before scripts run.
    """
    if _searches_english(site):
        shutil.rmtree(site / SCRIPTS / "lunr", ignore_errors=True)
    for path in (site / "assets").rglob("*.map"):
        path.unlink()
    pages = {path: path.read_text("utf-8") for path in sorted(site.rglob("*.html"))}
    data = [path.read_text("utf-8").replace('\\"', '"') for path in sorted(site.rglob("*.json"))]
    scripts = {path: path.read_bytes() for path in sorted(site.rglob("*.js"))}
    sheets = {str(path): path.read_text("utf-8") for path in sorted(site.rglob("*.css"))}

    code = [script.decode("utf-8", "replace") for script in scripts.values()]
    slim = slim_sheets(sheets, look_at([*pages.values(), *data], code))
    if theme := [name for name in slim if Path(name).parent == site / SHEETS]:
        ours = [text for name, text in slim.items() if name not in theme]
        slim[theme[-1]] += dark_before_scripts([*(slim[name] for name in theme), *ours])
    new = {Path(name): text.encode("utf-8") for name, text in slim.items()}
    for path, script in scripts.items():
        if path.is_relative_to(site / SCRIPTS):
            new[path] = _SOURCE_MAP.sub(b"", script)

    names = {}
    for path, content in new.items():
        if content != path.read_bytes():
            target = _renamed(path, content)
            write_if_changed(target, content)
            path.unlink()
            names[f"{path.parent.name}/{path.name}"] = f"{target.parent.name}/{target.name}"
    for path, text in pages.items():
        for old, name in names.items():
            text = text.replace(old, name)
        write_if_changed(path, text)
