"""A public SSH key as code."""

from portal.pages.as_code import Code, curl, openstack, resource


def to_create(name: str, public_key: str) -> Code:
    """What adds the key to those of whoever runs it."""
    public_key = public_key.strip()
    if not name:
        name = " ".join(public_key.split()[2:])
    return Code(
        command=openstack("keypair", "create", name, piped=public_key, public_key="/dev/stdin"),
        request=curl(
            "POST",
            "/compute/v2.1/os-keypairs",
            {"keypair": {"name": name, "public_key": public_key}},
        ),
        terraform=resource(
            "openstack_compute_keypair_v2", name, {"name": name, "public_key": public_key}
        ),
    )
