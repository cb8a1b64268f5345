"""Start the consumer: `python -m services.ingest.kafka`."""

from services.ingest.kafka.main import main

if __name__ == "__main__":
    main()
