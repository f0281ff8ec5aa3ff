"""The routes of one file of the API, and how strictly their paths are read."""

from flask import Blueprint


class Routes(Blueprint):
    """What one file serves, below one path. It is named after the file, so that the endpoint of
    a view is told from where it stands: `compute.servers.create`."""

    def __init__(self, module: str, below: str):
        """`module` is the file's `__name__`, `below` begins with the version."""
        super().__init__("_".join(module.split(".")[3:]), module, url_prefix=below)

    def add_url_rule(self, rule, endpoint=None, view_func=None, **options):
        """A slash at the end makes no difference, and two in a row are no way to say one: clients
        are not sent elsewhere. `body`, a schema or what makes one, says what is read where the
        view judges it by more than one, and `listed`, a Listed, what a list may be asked where
        that depends on who asks (`portal/api/sources.py`)."""
        for told in ("body", "listed"):
            if (said := options.pop(told, None)) is not None:
                setattr(view_func, told, said)
        options = {"strict_slashes": False, "merge_slashes": False} | options
        super().add_url_rule(rule, endpoint, view_func, **options)
