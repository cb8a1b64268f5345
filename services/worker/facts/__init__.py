"""The computation of daily facts: which days a batch lacks, their numbers, and how they are written."""
