"""What a view of the API reads of a request, found in its own source: nothing is listed twice.

What it gives `bodies` or `schemas.mistake` is the schema of its body, what it gives
`lists.wanted` is what its list may be asked, and a name that it takes out of `request.args` is a
parameter. Followed are the functions that it calls in its file, and in others of its service.
"""

import ast
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType

PACKAGE = "portal.api."


@dataclasses.dataclass(frozen=True)
class Frame:
    """A function on the way of a request, and where what it was given comes from."""

    function: Callable
    given: dict[str, tuple["Frame", ast.expr]] = dataclasses.field(default_factory=dict)


def calls(view: Callable) -> Iterator[tuple[Frame, str, ast.Call]]:
    """Every call that this view comes to, with where it stands, and what is called as it is
    written there: "bodies.read"."""
    waiting, seen = [Frame(inspect.unwrap(view))], set()
    while waiting:
        frame = waiting.pop()
        if frame.function in seen:
            continue
        seen.add(frame.function)
        for node in ast.walk(_definition(frame.function)):
            if isinstance(node, ast.Call):
                yield frame, ast.unparse(node.func), node
                waiting += _followed(frame, node)


def asked(view: Callable) -> list[str]:
    """Names that this view takes out of the query by itself."""
    found = {}
    for _, called, node in calls(view):
        args = called in ("request.args.get", "request.args.getlist")
        if args and node.args and isinstance(node.args[0], ast.Constant):
            found[node.args[0].value] = True
    return list(found)


def values(frame: Frame, expression: ast.expr) -> list:
    """What an expression that stands there may be, as far as it depends on nothing that a request
    brings: both sides of a choice, and nothing at all for what is not known before."""
    if isinstance(expression, ast.IfExp):
        sides = (expression.body, expression.orelse)
        return [each for side in sides for each in values(frame, side)]
    try:
        local = _known(frame, expression)
        code = compile(ast.Expression(expression), frame.function.__module__, "eval")
        return [eval(code, frame.function.__globals__, local)]
    except (LookupError, NameError, TypeError, AttributeError, ValueError):
        return []


def _known(frame: Frame, expression: ast.expr) -> dict:
    """What the function's own names in the expression stand for. Raises LookupError for one that
    is not given a value that is known before."""
    found = {}
    for name in {each.id for each in ast.walk(expression) if isinstance(each, ast.Name)}:
        if name not in frame.function.__code__.co_varnames:
            continue
        given = _given(frame, name, before=expression.lineno)
        meant = [value for place, each in given for value in values(place, each)]
        if not meant:
            raise LookupError(name)
        found[name] = meant[-1]
    return found


def _given(frame: Frame, name: str, *, before: int) -> list[tuple[Frame, ast.expr]]:
    """Where a name of the function's own has its value from: who calls it, or the last assignment
    before this line."""
    if name in frame.given:
        return [frame.given[name]]
    found = [
        each
        for each in ast.walk(_definition(frame.function))
        if isinstance(each, ast.Assign)
        and each.lineno < before
        and ast.unparse(each.targets[0]) == name
    ]
    return [(frame, max(found, key=lambda each: each.lineno).value)] if found else []


def _followed(frame: Frame, node: ast.Call) -> list[Frame]:
    """The function of this service that is called, if it is one."""
    match node.func:
        case ast.Name(id=name):
            found = frame.function.__globals__.get(name)
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            module = frame.function.__globals__.get(owner)
            found = getattr(module, name, None) if isinstance(module, ModuleType) else None
        case _:
            return []
    module = getattr(found, "__module__", None) or ""
    in_service = module.startswith(PACKAGE) and "." in module.removeprefix(PACKAGE)
    found = inspect.unwrap(found) if in_service and callable(found) else None
    if not inspect.isfunction(found):
        return []
    named = dict(zip(found.__code__.co_varnames, node.args, strict=False))
    named |= {each.arg: each.value for each in node.keywords if each.arg}
    return [Frame(found, {name: (frame, value) for name, value in named.items()})]


def _definition(function: Callable) -> ast.AST:
    named = _definitions(inspect.getsourcefile(function))
    return named.get(function.__name__) or ast.Module([], [])


@functools.lru_cache(maxsize=4)
def _definitions(path: str) -> dict[str, ast.FunctionDef]:
    """The functions of a file, by name: those that stand in others too."""
    with open(path) as file:
        tree = ast.parse(file.read())
    inner = {each.name: each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    return inner | {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
