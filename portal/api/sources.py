"""What a view of the API reads of a request, found in its own source: nothing is listed twice.

What it gives `bodies.read` or `schemas.mistake` is the schema of its body, what it gives
`lists.wanted` is what its list may be asked, and a name that it takes out of `request.args` is a
parameter. Followed are the functions that it calls in its file, and in others of its service.
"""

import ast
import functools
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType

PACKAGE = "portal.api."


def calls(view: Callable) -> Iterator[tuple[Callable, str, ast.Call]]:
    """Every call that this view comes to, with the function that makes it, and what is called as
    it is written there: "bodies.read"."""
    waiting, seen = [inspect.unwrap(view)], set()
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for node in ast.walk(_definition(function)):
            if isinstance(node, ast.Call):
                yield function, ast.unparse(node.func), node
                waiting += _followed(function, node.func)


def asked(view: Callable) -> list[str]:
    """Names that this view takes out of the query by itself."""
    found = {}
    for _, called, node in calls(view):
        args = called in ("request.args.get", "request.args.getlist")
        if args and node.args and isinstance(node.args[0], ast.Constant):
            found[node.args[0].value] = True
    return list(found)


def values(function: Callable, expression: ast.expr) -> list:
    """What an expression inside `function` may be, as far as it depends on nothing that a request
    brings: both sides of a choice, and nothing at all for what is not known before."""
    if isinstance(expression, ast.IfExp):
        sides = (expression.body, expression.orelse)
        return [each for side in sides for each in values(function, side)]
    try:
        local = _known(function, expression)
        code = compile(ast.Expression(expression), function.__module__, "eval")
        return [eval(code, function.__globals__, local)]
    except (LookupError, NameError, TypeError, AttributeError, ValueError):
        return []


def _known(function: Callable, expression: ast.expr) -> dict:
    """What the function's own names in the expression stand for. Raises LookupError for one that
    is not given a value that is known before."""
    found = {}
    for name in {each.id for each in ast.walk(expression) if isinstance(each, ast.Name)}:
        if name not in function.__code__.co_varnames:
            continue
        given = [
            each.value
            for each in ast.walk(_definition(function))
            if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == name
        ]
        meant = [value for each in given[:1] for value in values(function, each)]
        if len(given) != 1 or not meant:
            raise LookupError(name)
        found[name] = meant[-1]
    return found


def _followed(function: Callable, called: ast.expr) -> list[Callable]:
    """The function of this service that is called, if it is one."""
    match called:
        case ast.Name(id=name):
            found = function.__globals__.get(name)
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            module = function.__globals__.get(owner)
            found = getattr(module, name, None) if isinstance(module, ModuleType) else None
        case _:
            return []
    module = getattr(found, "__module__", None) or ""
    in_service = module.startswith(PACKAGE) and "." in module.removeprefix(PACKAGE)
    found = inspect.unwrap(found) if in_service and callable(found) else None
    return [found] if inspect.isfunction(found) else []


def _definition(function: Callable) -> ast.AST:
    named = _definitions(inspect.getsourcefile(function))
    return named.get(function.__name__) or ast.Module([], [])


@functools.lru_cache(maxsize=4)
def _definitions(path: str) -> dict[str, ast.FunctionDef]:
    """The functions of a file, by name."""
    with open(path) as file:
        tree = ast.parse(file.read())
    return {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
