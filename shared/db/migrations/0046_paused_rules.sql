-- A rule that is paused is not evaluated. The release before goes on evaluating it.

alter table alert_rule add column paused boolean not null default false;
