"""`python -m blackhole_guard` is the `blackhole-guard` command."""

from blackhole_guard.cli.main import main

if __name__ == "__main__":
    main()
