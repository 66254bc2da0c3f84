"""What holds for every test."""

import signal


def pytest_configure(config):
    """Let Ctrl-C reach the tests that send it.

    A shell starts what it puts into the background with the signal ignored, and children inherit
    that; so would a runner of continuous integration.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
