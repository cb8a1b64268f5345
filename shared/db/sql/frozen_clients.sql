-- Sessions whose client stands still in the middle of a statement.

-- name: client_waits
select * from client_waits()

-- name: end_client_wait
select from end_client_wait(%(pid)s, %(query_start)s) ended where ended
