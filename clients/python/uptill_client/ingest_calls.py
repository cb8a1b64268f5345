"""What the groups of calls to the ingest service have in common."""

from abc import ABC, abstractmethod

from uptill_client.transport import Transport


class IngestCalls(ABC):
    """Calls of the ingest service. Each raises `ApiError` on failure."""

    @property
    @abstractmethod
    def _ingest(self) -> Transport:
        """The connection to the ingest service. Raises `ApiError` if the client has no address for it."""
