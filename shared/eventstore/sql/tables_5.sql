-- A log that came out of a backup has a new `log_id`, and `former` is the one that it had, until what was written after
-- the backup has been brought back: then it is itself again. `restored_position` is where the backup ended.
alter table log_identity add column former uuid;
alter table log_identity add column restored_position bigint;
