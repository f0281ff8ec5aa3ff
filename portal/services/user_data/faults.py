"""What is said of a #cloud-config that cannot be right."""

import yaml

from portal.sentences import Sentence
from portal.services.user_data import characters


def of_yaml(error: yaml.YAMLError, line: int) -> Sentence:
    """What libyaml says of a text that begins in this line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it is malformed"
    if not mark:
        return Sentence("This #cloud-config is not valid YAML: {problem}.", problem=problem)
    return in_line(line + mark.line, problem)


def in_line(line: int, problem: str | Sentence) -> Sentence:
    """What makes it no YAML, and where."""
    return Sentence(
        "This #cloud-config is not valid YAML in line {line}: {problem}.",
        line=line,
        problem=problem,
    )


def with_hint(fault: Sentence, text: str, line: int) -> Sentence:
    """The fault, and what cannot be seen in the text and may have led to it."""
    hint = characters.hint(text, line=line)
    return Sentence("{fault} {hint}", fault=fault, hint=hint) if hint else fault


def no_key(key: str, line: int, near: str) -> Sentence:
    """That cloud-init has no such key, and which one was meant, if one is near."""
    if not near:
        return Sentence("cloud-init has no key “{key}” (line {line}).", key=key, line=line)
    return Sentence(
        "cloud-init has no key “{key}” (line {line}). Was {near} meant?",
        key=key,
        line=line,
        near=near,
    )
