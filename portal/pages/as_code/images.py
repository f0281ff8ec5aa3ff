"""An image as code."""

from portal.models import Image
from portal.pages.as_code import Code, curl, openstack, resource

REMARK = "Terraform asks for the file too, by local_file_path or image_source_url."


def to_look_at(image: Image) -> Code:
    """What shows it, and takes it over into Terraform."""
    return Code(
        command=openstack("image", "show", str(image.id)),
        request=curl("GET", f"/image/v2/images/{image.id}"),
        terraform=resource(
            "openstack_images_image_v2",
            image.name,
            {
                "name": image.name,
                "container_format": "bare",
                "disk_format": image.format,
                "min_disk_gb": image.min_disk_gib or None,
                "min_ram_mb": image.min_memory_mib or None,
                "visibility": image.visibility.value,
            },
            imported=str(image.id),
        ),
        remark=REMARK,
    )
