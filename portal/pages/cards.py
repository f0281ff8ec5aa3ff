"""Cards for components/form.html: what there is to choose from, as a form shows it."""

from portal import words
from portal.models import Flavor, Image, SecurityGroup, Visibility
from portal.services.catalog import Menu

ICONS = {Visibility.PRIVATE: "user", Visibility.SHARED: "users", Visibility.PUBLIC: "globe"}


def of_image(image: Image) -> dict:
    return {
        "value": str(image.id),
        "title": image.called,
        "note": " · ".join(filter(None, _said_of_image(image))),
        "icon": ICONS[image.visibility],
    }


def of_flavor(flavor: Flavor, menu: Menu) -> dict:
    """A size that the quota has no room for says so and cannot be chosen."""
    fits = menu.fits(flavor)
    memory, disk = words.memory(flavor.memory_mib), words.disk(flavor.disk_gib)
    size = f"{flavor.vcpus} vCPU, {memory}, {disk} disk"
    return {
        "value": str(flavor.id),
        "title": flavor.name,
        "note": size if fits else f"{size}: more than the quota has left",
        "icon": "cpu",
        "disabled": not fits,
    }


def of_group(group: SecurityGroup) -> dict:
    return {
        "value": str(group.id),
        "title": group.label,
        "note": group.description,
        "icon": "shield",
    }


def _said_of_image(image: Image) -> list[str]:
    return [
        f"{image.visibility.value.capitalize()}, of {image.created_at:%Y-%m-%d}",
        f"log in as {image.login_user}" if image.login_user else "",
        f"needs {words.disk(image.disk_gib)} of disk" if image.disk_gib else "",
        f"{words.memory(image.min_memory_mib)} of memory" if image.min_memory_mib else "",
    ]
