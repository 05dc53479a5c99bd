"""`python -m deploy.cli` is the command `onchip`."""

from deploy.cli import main

raise SystemExit(main())
