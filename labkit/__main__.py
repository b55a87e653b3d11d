"""`python -m labkit` is the labkit command, also where scripts cannot start (a folder with a space in its name)."""

from labkit.cli import main

if __name__ == "__main__":
    main(prog_name="labkit")
