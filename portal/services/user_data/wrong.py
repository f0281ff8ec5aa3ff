"""Why a text cannot be right: a refusal of the field `user_data`, with the line."""

import functools

from portal.errors import Refused

wrong = functools.partial(Refused, field="user_data")
