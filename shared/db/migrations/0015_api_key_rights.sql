-- The API ends keys and notes their use. It never rewrites what a key allows, or the hash of its secret: a new key is a
-- new row. Every release so far has updated only these three columns.
revoke update on api_key from uptill_api; -- unused since 0.1
grant update (last_used_at, expires_at, revoked_at) on api_key to uptill_api;
