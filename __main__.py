"""`python -m graphwright`."""

from graphwright.tools.cli import main

if __name__ == "__main__":
    main()
