"""`python -m nhiscan`, where the folder of commands is not on the PATH."""

from nhiscan.cli import main

main()
