"""WxH on the command line."""

import re

import typer


def parse_size(text: str) -> tuple[int, int]:
    """Return (width, height) of a text such as "3840x2160"; wrong usage (exit 2) if it isn't one."""
    match = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)", text)
    if match is None:
        raise typer.BadParameter(f"size {text!r} is not WIDTHxHEIGHT, such as 3840x2160")
    return int(match[1]), int(match[2])
