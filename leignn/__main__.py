"""Entry point of ``python -m leignn``."""

from leignn.cli import main

raise SystemExit(main())
