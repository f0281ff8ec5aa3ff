"""What a route does, in one sentence, made of the name of its view and of its path.

It is what the view's docstring begins with; without one, a view called `list_projects` below
`/users/{user_id}` lists the projects of a user.
"""

import re
from collections.abc import Callable

VERBS = {  # what a view of this name does, to one thing or to many
    **{"index": "Lists {many}", "list": "Lists {many}", "detail": "Lists {many}, each whole"},
    **{"show": "Shows {one}", "create": "Makes {one}", "delete": "Deletes {one}"},
    **dict.fromkeys(("update", "change"), "Changes {one}"),
    **{"add": "Adds to {many}", "replace": "Replaces {many}", "remove": "Takes away {one}"},
    **{"set": "Sets {one}", "check": "Says whether there is {one}", "find": "Finds {one}"},
    **{"give": "Gives {one}", "take": "Takes back {one}", "reset": "Resets {many}"},
}
VERSIONS = "Says which versions there are."
CALLED = {  # what a part of a path means
    "availability zone": "availability zones",
    "interface": "interfaces",
    "ips": "addresses",
    "keypairs": "key pairs",
}
COUNTLESS = {"metadata", "capabilities", "usage"}  # words that are their own singular
NAMELESS = re.compile(r"v\d+(\.\d+)?|detail")  # parts of a path that are no thing


def sentence(endpoint: str, path: str, view: Callable) -> str:
    """What this route does; "" if neither name nor docstring say it."""
    remark = " ".join((view.__doc__ or "").split("\n\n")[0].split())
    _, file, name = f"..{endpoint}".rsplit(".", 2)
    verb, _, noun = name.partition("_")
    if remark or file == "versions":
        return remark or VERSIONS
    if verb not in VERBS:
        return ""
    many, one = _named(path, "" if noun == "one" else _words(noun))
    return f"{VERBS[verb].format(many=many, one=one)}."


def _named(path: str, noun: str) -> tuple[str, str]:
    """The things that a path leads to, and one of them: "the metadata of a server"."""
    parts = [each for each in path.split("/")[2:] if not NAMELESS.fullmatch(each)]
    words = [_words(each) for each in parts if not each.startswith("{")] or ["everything"]
    owners = [
        _words(each)
        for each, after in zip(parts, [*parts[1:], ""], strict=True)
        if after.startswith("{") and not each.startswith("{")
    ]
    things = noun or words[-1]
    if _singular(things) == _singular(words[-1]):
        owners = owners[:-1] if owners[-1:] == words[-1:] else owners
        things = words[-1]
    of = f" of {_a(_singular(owners[-1]))}" if owners else ""
    singular = _singular(things)
    one = f"the {things}{of}" if singular == things else f"{_a(singular)}{of}"
    return f"the {things}{of}" if of else things, one


def _words(part: str) -> str:
    words = re.sub(r"^os[-_]", "", part).replace("-", " ").replace("_", " ")
    return CALLED.get(words, words)


def _singular(words: str) -> str:
    if words in COUNTLESS or words.endswith("ss"):
        return words
    for ending, one in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if words.endswith(ending):
            return words.removesuffix(ending) + one
    return words


def _a(words: str) -> str:
    return f"{'an' if words[:1] in 'aeio' else 'a'} {words}"
