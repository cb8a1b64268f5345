-- The owner of some stores may declare closures of them.
alter table api_key drop constraint limited_keys_only_report;
alter table api_key add constraint limited_keys_only_report check (
    store_labels is null
    or (jsonb_typeof(store_labels) = 'object' and store_labels <> '{}'
        and scopes <@ array['reports:read', 'reports:write', 'closures:write']));
