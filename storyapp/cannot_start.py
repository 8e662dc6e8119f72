"""Why ./run cannot start: one sentence for a person, and exit status 2."""


class CannotStart(Exception):
    """Its text is the whole message: what is wrong, and what to do."""
