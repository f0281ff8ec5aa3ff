"""Cards for components/form.html: what there is to choose from, as a form shows it."""

from portal import words
from portal.models import Flavor, Image, SecurityGroup
from portal.services.catalog import Menu


def of_image(image: Image) -> dict:
    return {
        "value": str(image.id),
        "title": image.name,
        "note": f"needs {words.disk(image.disk_gib)} of disk",
        "icon": "disc",
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
        "title": group.name,
        "note": group.description,
        "icon": "shield",
    }
