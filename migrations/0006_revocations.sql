-- Up Migration

-- Tokens that are refused though their signature is good: all of a user's, or one by its jti.
create table revocations (
  kind text not null check (kind in ('sub', 'jti')),
  value text not null,
  until timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (kind, value)
);

-- Down Migration

drop table revocations;
