"""`python -m hyperfocal.cli`: what launchers of many processes start."""

from hyperfocal.cli import main

main()
