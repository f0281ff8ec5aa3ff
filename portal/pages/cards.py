"""Cards for components/form.html: what there is to choose from, as a form shows it."""

from portal.models import Flavor, Image, SecurityGroup
from portal.services.catalog import Menu


def of_image(image: Image) -> dict:
    return {
        "value": str(image.id),
        "title": image.name,
        "note": f"needs {image.disk_gib} GiB of disk",
        "icon": "disc",
    }


def of_flavor(flavor: Flavor, menu: Menu) -> dict:
    """A size that the quota has no room for says so and cannot be chosen."""
    fits = menu.fits(flavor)
    size = f"{flavor.vcpus} vCPU, {flavor.memory_mib} MiB, {flavor.disk_gib} GiB disk"
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
