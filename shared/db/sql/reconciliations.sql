-- Stores that another one's figures are compared with.

-- name: stores
-- Those that the caller may see. A store that was never polled has no figures.
select store_id, display_name as name, timezone, polled_since_seq is not null as was_polled from store
where store_id = any(%(ids)s) and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)
