"""A body for every route of the API that takes one: enough for it to be understood.

A new route that takes a body needs a line here; the laws over all routes send it.
"""

from tests.programs import by_password

BODIES = {
    "identity.auth.issue": by_password("alice", "red"),
    "identity.users_application_credentials.create": {
        "application_credential": {"name": "for a program"}
    },
}
