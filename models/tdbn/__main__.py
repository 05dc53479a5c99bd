"""``python -m onchip.models.tdbn``; see `onchip.models.tdbn.command_line`."""

import sys

if __name__ == "__main__":
    from onchip.waiting import wait_passively

    wait_passively()  # before torch is imported
    from onchip.models.tdbn.command_line import main

    sys.exit(main())
