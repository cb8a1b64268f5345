"""`python -m services.cli` is the `uptill` command."""

from services.cli.main import main

main()
