"""``python -m gradatim``: the command line, where its script is not on the path."""

from gradatim.cli import main

if __name__ == "__main__":
    main()
