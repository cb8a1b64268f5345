"""What bodies of jobs over every store share."""

from typing import Self

from pydantic import BaseModel

from services.api.schemas.report_summary import ProgressBody
from shared.reports.store_job import StoreJob


class StoreJobBody(BaseModel):
    """A body with the fields of a job, and its progress as one of them."""

    @classmethod
    def of_job(cls, job: StoreJob) -> Self:
        """Build the body of a job."""
        progress = ProgressBody(stores_done=job.stores_done, stores_total=job.stores_total)
        given = {name: getattr(job, name) for name in cls.model_fields if name != "progress"}
        return cls(**given, progress=progress)
