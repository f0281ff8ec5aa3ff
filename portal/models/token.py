"""What programs show instead of a password: tokens, and the credentials that get them."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base
from portal.models.identity import Project, Role, User


class ApplicationCredential(Base):
    """What a program of a user signs in with, in one project and with one role. What it shows as
    a secret is known by its hash alone."""

    __tablename__ = "application_credentials"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    secret_hash: Mapped[str] = mapped_column(String(64))  # SHA-256, hexadecimal
    role: Mapped[Role]  # in the project, however strong the user's own is
    of_cloud: Mapped[bool] = mapped_column(default=False, server_default=false())  # admin there too
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # when a token was last got by it

    user: Mapped[User] = relationship(lazy="raise")
    project: Mapped[Project] = relationship(lazy="raise")


class AccessKey(Base):
    """What a program of a user signs single requests with, in one project: EC2's and S3's way. To
    judge a signature the secret itself is needed, so it is kept encrypted, not hashed."""

    __tablename__ = "access_keys"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"), index=True)
    access: Mapped[str] = mapped_column(String(64), unique=True)  # names it in a request
    sealed_secret: Mapped[str]  # with the portal's own (portal/keys.py)

    project: Mapped[Project] = relationship(lazy="raise")

    @property
    def name(self) -> str:
        """What the record calls it."""
        return self.access


class Token(Base):
    """Somebody who speaks through a program, for one project, for the whole cloud, or only to say
    who they are. What it may do is not kept: it follows from their roles whenever it is shown."""

    __tablename__ = "tokens"

    id_hash: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256, hexadecimal
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), index=True)
    project_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("projects.id"), index=True)
    of_cloud: Mapped[bool] = mapped_column(default=False)  # what clients call system-scoped
    credential_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("application_credentials.id"), index=True
    )
    methods: Mapped[list]  # how they said who they are: "password", "token"
    audit_ids: Mapped[list]  # its own, and that of the first token that it comes from
    expires_at: Mapped[datetime] = mapped_column(index=True)
