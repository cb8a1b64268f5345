"""Generate the sample data set: three CSV files from a seed, with the oddities of real ones."""

from services.sample.write_sample import SampleFile, SampleSummary, write_sample

__all__ = ["SampleFile", "SampleSummary", "write_sample"]
