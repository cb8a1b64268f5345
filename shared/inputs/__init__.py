"""The inputs of the accounting, as rows of Postgres become arrays. Workers and the API read them."""
