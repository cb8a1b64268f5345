"""Start a worker: `python -m services.worker`. Start as many as you like."""

from services.worker.main import main

if __name__ == "__main__":
    main()
