-- Who did what, and to what.

-- name: record
insert into audit (actor, action, subject, details) values (%(actor)s, %(action)s, %(subject)s, %(details)s)

-- name: list_entries
select id, at, actor, action, subject, details
from audit
where (%(before)s::bigint is null or id < %(before)s)
  and (%(actor)s::text is null or actor = %(actor)s)
  and (%(action)s::text is null or action = %(action)s)
order by id desc
limit %(limit)s
