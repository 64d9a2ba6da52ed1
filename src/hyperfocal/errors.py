"""The one exception that users see."""


class HyperfocalError(Exception):
    """Something about the input, the model or the machine that the user can act on.

    Its text is one line that names the thing and the reason; the command line prints it as it is.
    """
