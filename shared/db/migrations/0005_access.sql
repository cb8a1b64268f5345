-- Keys that see some stores only, that replace one another, and the audit as something to read.

alter table api_key
    add column store_labels jsonb, -- labels that a store must have for the key to see it; null: every store
    add column replaces text unique references api_key, -- the key that this one was rotated from
    -- What reaches beyond single stores is not for a key that is limited to some.
    add constraint limited_keys_only_report check (
        store_labels is null
        or (jsonb_typeof(store_labels) = 'object' and store_labels <> '{}'
            and scopes <@ array['reports:read', 'reports:write']));

create index on audit (at desc, id desc);
grant select on audit to uptill_api, uptill_readonly;
