"""Who may import whom, read from the syntax trees and the templates. `violations` says each breach in a sentence."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

# From the ground up: a room knows those before it, and the project's own package stands above them all.
ROOMS = ("accounts", "gallery", "generation", "video", "storyapp")

# What a module of generation must not reach, by whatever way round.
ENTRANCES = {"generation.views", "generation.api", "generation.admin", "generation.forms", "generation.management"}
UNREACHABLE = {
    "generation.models": {
        "generation.claim",
        "generation.transitions",
        "generation.engine",
        "generation.tasks",
        *ENTRANCES,
    },
    "generation.claim": {"generation.engine", "generation.tasks", *ENTRANCES},
    "generation.engine": {"generation.tasks", *ENTRANCES},
    "generation.tasks": ENTRANCES,
}
# Pages, the API and the admin ask through tasks and transitions; commands may run the engine in their own process.
NOT_FROM_ENTRANCES = {"generation.engine", "generation.claim"}

PROVIDERS_MAY_IMPORT = {"requests", "urllib3", "PIL"} | set(sys.stdlib_module_names)
PROVIDERS_DJANGO = {
    "generation.providers": {"django.conf", "django.utils.module_loading"},
    "generation.providers.exceptions": {"django.core.exceptions"},
}
RQ_LIVES_IN = {
    "generation.tasks",
    "generation.worker",
    "generation.management.commands.rqworker",
    "storyapp.health",
}
THREADS_LIVE_IN = {"generation.engine"}
# Read-only pages stand on gallery alone.
READ_ONLY = re.compile(r"(^|/)_?(share|print)[^/]*\.html$")


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    imports: set[str] = field(default_factory=set)

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_test(self) -> bool:
        return ".tests" in self.name or self.name == "conftest"


def violations(sources: Mapping[str, str], templates: Mapping[str, str]) -> list[str]:
    """`sources` and `templates` map paths, relative to the project and to templates/, to texts."""
    modules = {module.name: module for module in _modules(sources)}
    found = [
        *_of_rooms(modules.values()),
        *_of_generation(modules),
        *_of_providers(modules.values()),
        *_of_homes(modules.values()),
        *_of_templates(templates, _tag_libraries(sources)),
    ]
    return sorted(found)


def of_the_project(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    sources = {str(path.relative_to(root)): path.read_text() for room in ROOMS for path in (root / room).rglob("*.py")}
    templates = root / "templates"
    return sources, {str(path.relative_to(templates)): path.read_text() for path in templates.rglob("*.html")}


def _modules(sources: Mapping[str, str]) -> Iterator[Module]:
    for path, text in sources.items():
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        yield Module(name, set(_imports(text, package, set(sources))))


def _imports(text: str, package: str, paths: set[str]) -> Iterator[str]:
    """Wherever they stand: at the top, in functions, under TYPE_CHECKING."""
    for node in _nodes(text):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                path = f"{source}.{alias.name}".replace(".", "/")
                is_module = {f"{path}.py", f"{path}/__init__.py"} & paths or source in {"django", "concurrent"}
                yield f"{source}.{alias.name}" if is_module else source
            if source == "concurrent.futures":
                yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and node.attr == "ThreadPoolExecutor":
            yield "concurrent.futures.ThreadPoolExecutor"


@cache
def _nodes(text: str) -> list[ast.AST]:
    kinds = (ast.Import, ast.ImportFrom, ast.Attribute)
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def _of_rooms(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        for target in module.imports:
            room = target.partition(".")[0]
            above = module.room in ROOMS and room in ROOMS and ROOMS.index(room) > ROOMS.index(module.room)
            # Tests of a room may use the project's settings and what it offers for tests.
            if above and not (module.is_test and room == "storyapp"):
                yield f"{module.name} imports {target}: {module.room} does not know {room}."


def _of_generation(modules: Mapping[str, Module]) -> Iterator[str]:
    for start, forbidden in UNREACHABLE.items():
        for way in _ways(modules, start):
            if _within(way[-1], forbidden) and not any(_within(step, forbidden) for step in way[:-1]):
                yield f"{start} reaches {way[-1]} ({' -> '.join(way)})."
    for module in modules.values():
        if _within(module.name, ENTRANCES - {"generation.management"}) and not module.is_test:
            for target in module.imports & NOT_FROM_ENTRANCES:
                yield f"{module.name} imports {target}: it asks through tasks."


def _ways(modules: Mapping[str, Module], start: str) -> Iterator[tuple[str, ...]]:
    """The shortest way to each module that `start` reaches."""
    seen = {start}
    waiting: list[tuple[str, ...]] = [(start,)]
    while waiting:
        way = waiting.pop(0)
        for target in sorted(modules[way[-1]].imports) if way[-1] in modules else []:
            if target.startswith("generation") and target not in seen:
                seen.add(target)
                waiting.append((*way, target))
                yield (*way, target)


def _of_providers(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        if not _within(module.name, {"generation.providers"}):
            continue
        for target in module.imports:
            allowed = (
                target.partition(".")[0] in PROVIDERS_MAY_IMPORT
                or _within(target, {"generation.providers"})
                or target in PROVIDERS_DJANGO.get(module.name, ())
            )
            if not allowed:
                yield f"{module.name} imports {target}: providers know neither rows nor settings."


def _of_homes(modules: Iterable[Module]) -> Iterator[str]:
    for module in modules:
        if module.is_test:
            continue
        for target in module.imports:
            if target.partition(".")[0] in {"rq", "django_rq"} and module.name not in RQ_LIVES_IN:
                yield f"{module.name} imports {target}: RQ lives in generation.tasks."
            if target == "concurrent.futures.ThreadPoolExecutor" and module.name not in THREADS_LIVE_IN:
                yield f"{module.name} makes a ThreadPoolExecutor: threads live in generation.engine."


def _tag_libraries(sources: Iterable[str]) -> dict[str, str]:
    """The room of each library that a template can load."""
    parts = (Path(path).parts for path in sources)
    return {Path(part[2]).stem: part[0] for part in parts if len(part) == 3 and part[1] == "templatetags"}


def _of_templates(templates: Mapping[str, str], libraries: Mapping[str, str]) -> Iterator[str]:
    """A page may compose rooms; a partial knows its own room and lower ones; a read-only page gallery alone."""
    for path, text in templates.items():
        name = Path(path).name
        own = Path(path).parts[0] if Path(path).parts[0] in ROOMS else "storyapp"
        highest = "gallery" if READ_ONLY.search(path) else own if name.startswith("_") else "storyapp"
        for what, room in _used(text, libraries):
            if room in ROOMS and ROOMS.index(room) > ROOMS.index(highest):
                yield f"templates/{path} uses {what}: it does not know {room}."


def _used(text: str, libraries: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for names in re.findall(r"{%\s*load\s+(.*?)\s*%}", text):
        # In {% load tag from library %} only what stands last is a library.
        for name in names.rpartition(" from ")[2].split():
            yield f"{{% load {name} %}}", libraries.get(name, "")
    for name in re.findall(r"{%\s*(?:include|extends)\s+[\"']([^\"']+)[\"']", text):
        yield name, name.partition("/")[0]


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
