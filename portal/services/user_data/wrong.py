"""Why a text cannot be right."""


class Wrong(ValueError):
    """One sentence for whoever wrote it, with the line."""
