"""What people attach to their things, beside a name and a description."""

from sqlalchemy.orm import Mapped, mapped_column


class Detailed:
    """Something that has properties and tags; `services.details` says which are good."""

    properties: Mapped[dict] = mapped_column(default=dict, server_default="{}")
    tags: Mapped[list] = mapped_column(default=list, server_default="[]")  # each once
