-- Up Migration

-- When it was last extended, so that every process can ask for what is new: twice a second, also while no message gets through.
alter table revocations rename column created_at to revoked_at;
create index revocations_revoked_at on revocations (revoked_at);

-- Down Migration

drop index revocations_revoked_at;
alter table revocations rename column revoked_at to created_at;
