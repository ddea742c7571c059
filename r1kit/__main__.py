"""`python -m r1kit`, the same as the `r1kit` command."""

from __future__ import annotations

from r1kit.cli.main import main

if __name__ == "__main__":
    main()
