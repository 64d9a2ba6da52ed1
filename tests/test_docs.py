"""What README and docs say: their Python runs, and commands, options, recipes and links in them exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from PIL import Image

from hyperfocal.cli import app
from hyperfocal.train.recipes import RECIPES, recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PHOTO = ROOT / "examples/picosdeeuropa_by_Aitzol_Berasategi.jpg"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """The words after `hyperfocal` of every command line in code, in blocks and in running text."""
    text = page.read_text().replace("\\\n", " ")
    code = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL) + re.findall(
        r"`([^`\n]+)`", text
    )
    found = re.findall(r"(?:^|-m )hyperfocal(?:\.cli)? ([a-z].*)", "\n".join(code), re.MULTILINE)
    return [shlex.split(line.replace("\\|", "|"), comments=True) for line in found]


def options(words: list[str]) -> set[str]:
    """Those of the command that the words name."""
    command = typer.main.get_command(app)
    while commands := getattr(command, "commands", None):
        assert words[0] in commands, f"no command {words[0]!r}"
        command, *words = commands[words[0]], *words[1:]
    return {name for parameter in command.params for name in parameter.opts} | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    for words in commands(page):
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options(words), f"hyperfocal {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_and_their_keys_exist(page):
    for words in commands(page):
        if words[0] == "train" and len(words) > 1 and words[1] in RECIPES:
            recipe(words[1], [word for word in words[2:] if re.match(r"[\w.]+=", word)])
        else:
            assert words[0] != "train" or len(words) == 1 or words[1].isupper(), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert ":" in target or (page.parent / target).exists(), target


def test_the_readmes_python_predicts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Image.open(PHOTO) as photo:
        photo.resize((320, 240)).save("photo.jpg")
    exec(blocks(ROOT / "README.md", "python")[0], {})
    assert {"photo.exr", "photo_color.png"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_the_readmes_python_builds_published_systems():
    exec(blocks(ROOT / "README.md", "python")[1], {"hyperfocal": __import__("hyperfocal")})
