"""The printed report: what its pages show, and the process that typesets them. Must not change any number of the report."""
