"""Changes of an image as a JSON patch, in both shapes that clients have.

https://docs.openstack.org/api-ref/image/v2/#update-image
https://docs.openstack.org/glance/latest/user/http-patch-media-types.html
"""

from portal.api import bodies, faults, schemas
from portal.api.image import fields
from portal.models import Image
from portal.services.images import Edit

NEWER = "application/openstack-images-v2.1-json-patch"
OLDER = "application/openstack-images-v2.0-json-patch"
PLAIN = "application/json"  # read as the newer one
OPERATIONS = ("add", "replace", "remove")
SCHEMA = {"type": "array", "items": {"type": "object"}}  # of either shape, which `read` judges

Step = tuple[str, str, object]  # what is done, to what, and the value


def read() -> list[Step]:
    """The steps that this request asks for. Raises Fault: 415 for another media type, 403 for what
    nobody may change, 400 for what is no step."""
    said, kind = bodies.read_list((NEWER, OLDER, PLAIN))
    if not said and kind == PLAIN:
        raise faults.bad(f"A patch without steps says what it is: {NEWER}.")
    return [_step(each, older=kind == OLDER) for each in said]


def revised(image: Image, steps: list[Step]) -> Edit:
    """What shall be said of the image as it is. Raises Fault: 403 for what cannot be taken away,
    409 for a property that is not there, 400 for a value that cannot be."""
    said: dict = {}
    properties = dict(image.properties)
    for operation, name, value in steps:
        if name in fields.SAID:
            if operation == "remove":
                raise faults.Fault(403, f"Property {name} may not be removed.")
            said[name] = value
            continue
        if operation != "add" and name not in properties:
            raise faults.Fault(409, f"Property {name[:80]} does not exist.")
        if operation == "remove":
            del properties[name]
        else:
            properties[name] = _property(name, value)
    edit = fields.edit(said)
    if properties != image.properties:
        return Edit(**vars(edit) | {"properties": properties})
    return edit


def _step(said, *, older: bool) -> Step:
    if not isinstance(said, dict):
        raise faults.bad("A step of a patch is an object.")
    if older:
        found = [each for each in OPERATIONS if each in said]
        if len(found) != 1:
            raise faults.bad("Operations must contain exactly one of add, replace and remove.")
        operation, path = found[0], said[found[0]]
    else:
        operation, path = said.get("op"), said.get("path")
    if operation not in OPERATIONS:
        raise faults.bad(f"Unable to find one of {', '.join(OPERATIONS)} in a step.")
    if operation != "remove" and "value" not in said:
        raise faults.bad(f"Operation '{operation}' requires a member named 'value'.")
    name = _name(path)
    fields.check_name(name)
    return operation, name, said.get("value")


def _name(path) -> str:
    """The attribute at the end of a pointer (RFC 6901), of which images have one level."""
    if not isinstance(path, str) or not path.startswith("/") or "/" in path[1:] or len(path) < 2:
        raise faults.bad(f"{str(path)[:80]!r} is no pointer to an attribute of an image.")
    return path[1:].replace("~1", "/").replace("~0", "~")


def _property(name: str, value) -> str:
    schema = schemas.fields(**{name: fields.PROPERTY})
    if wrong := schemas.mistake({name: value}, schema):
        raise faults.bad(wrong)
    return value
