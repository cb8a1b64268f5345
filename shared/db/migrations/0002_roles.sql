-- Group roles with the least that each service needs; logins are granted membership by the operator.
-- Roles belong to the whole server, so another database may be creating them right now.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['uptill_api', 'uptill_ingest', 'uptill_worker', 'uptill_readonly'] loop
        begin
            if not exists (select from pg_roles where rolname = role_name) then
                execute format('create role %I nologin', role_name);
            end if;
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
end $$;

revoke execute on function ensure_observation_partition(timestamptz, boolean), ensure_observation_key(text) from public;

grant select on ledger_head, store, business_hours, observation, import, import_chunk, import_reject, import_pending
    to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
grant select on report, report_batch to uptill_readonly;

grant select, insert, update on api_key to uptill_api;
grant insert on audit to uptill_api, uptill_ingest;
grant select, insert, update on report, report_batch to uptill_api;
grant select, insert, update, delete on idempotency to uptill_api;

grant select, update (last_used_at) on api_key to uptill_ingest;
grant select, insert, update on watched_source to uptill_ingest;
grant update on ledger_head to uptill_ingest;
grant insert, update on store, observation, import to uptill_ingest;
grant insert, delete on business_hours to uptill_ingest;
grant insert on import_chunk, import_reject to uptill_ingest;
grant insert, delete on import_pending to uptill_ingest;
grant select, insert, delete on import_staged to uptill_ingest;
grant execute on function ensure_observation_partition(timestamptz, boolean) to uptill_ingest, uptill_worker;
grant execute on function ensure_observation_key(text) to uptill_ingest;

grant select, update on report, report_batch to uptill_worker;
