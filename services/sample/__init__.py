"""The sample data set: three CSV files that are made up, seeded, and as awkward as real ones."""

from services.sample.write_sample import SampleFile, SampleSummary, write_sample

__all__ = ["SampleFile", "SampleSummary", "write_sample"]
