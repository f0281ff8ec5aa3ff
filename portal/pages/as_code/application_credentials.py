"""An application credential as code. It is made with a password: no credential makes another."""

import uuid
from datetime import datetime

from portal.models import Role
from portal.pages.as_code import Code, curl, openstack, resource

ROLES = {Role.READER: "reader", Role.MEMBER: "member", Role.ADMIN: "manager"}
REMARK = (
    "It is for the project that you sign in to, and with your password: no credential makes "
    "another. The secret is in the answer, this once."
)


def to_create(
    user_id: uuid.UUID, name: str, role: Role | None, expires_at: datetime | None
) -> Code:
    """What makes the credential, for the project that whoever runs it has a token for."""
    roles = [ROLES[role]] if role else []
    until = f"{expires_at:%Y-%m-%dT%H:%M:%S}" if expires_at else None
    wish: dict = {"name": name}
    if roles:
        wish["roles"] = [{"name": each} for each in roles]
    if until:
        wish["expires_at"] = f"{until}Z"
    return Code(
        command=openstack(
            *("application", "credential", "create", name), role=roles, expiration=until
        ),
        request=curl(
            "POST",
            f"/identity/v3/users/{user_id.hex}/application_credentials",
            {"application_credential": wish},
        ),
        terraform=resource(
            "openstack_identity_application_credential_v3",
            name,
            {"name": name, "roles": roles, "expires_at": f"{until}Z" if until else None},
        ),
        remark=REMARK,
    )
