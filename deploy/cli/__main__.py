"""`python -m onchip.deploy.cli` is the command `onchip`."""

from onchip.deploy.cli import main

raise SystemExit(main())
