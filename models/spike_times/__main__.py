"""``python -m onchip.models.spike_times``; see `onchip.models.spike_times.command_line`."""

import sys

if __name__ == "__main__":
    from onchip.waiting import wait_passively

    wait_passively()  # before torch is imported
    from onchip.models.spike_times.command_line import main

    sys.exit(main())
