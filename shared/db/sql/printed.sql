-- What the printed report of chosen stores reads, as it was at the ledger number `seq`.

-- name: names
-- As they are now: names have no history.
select store_id, display_name from store where store_id = any(%(store_ids)s) and display_name is not null

-- name: stores_at_cut
-- Stores by id, by the same rules as `store_in_report` (store_terms.sql).
select s.store_key, s.store_id,
    case when holds_at(s.timezone_since_seq, null, cut.seq, cut.early) then s.timezone else old_zone.timezone end as zone,
    array(
        select array[day_of_week, opens, closes] from (
            select day_of_week, opens, closes from business_hours
            where store_key = s.store_key and holds_at(since_seq, null, cut.seq, cut.early)
            union all
            select day_of_week, opens, closes from superseded_hours
            where store_key = s.store_key and holds_at(since_seq, until_seq, cut.seq, cut.early)
        ) hours
        order by 1) as hours,
    case when coalesce(s.labels_since_seq <= cut.seq, true) then s.labels else coalesce(old_labels.labels, '{}') end as labels,
    cut.seq
from store s
cross join (select given.seq, not_yet_effective(given.seq) as early from (select %(seq)s::bigint as seq) given) cut
left join superseded_timezone old_zone on old_zone.store_key = s.store_key
    and holds_at(old_zone.since_seq, old_zone.until_seq, cut.seq, cut.early)
left join superseded_labels old_labels on old_labels.store_key = s.store_key
    and coalesce(old_labels.since_seq <= cut.seq, true) and old_labels.until_seq > cut.seq
where s.store_id = any(%(store_ids)s)
