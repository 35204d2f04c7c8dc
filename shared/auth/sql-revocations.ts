import type { Revocation } from '../connections/control.ts';
import type { Runner } from '../database/index.ts';

/** Those that still hold; the others are forgotten. */
export async function loadRevocations(runner: Runner): Promise<Revocation[]> {
  await runner.none('delete from revocations where until < now()');
  return runner.any<Revocation>(
    'select kind, value, (extract(epoch from until) * 1000)::float8 as until from revocations',
  );
}

/** A later end wins. */
export async function saveRevocation(runner: Runner, revocation: Revocation): Promise<void> {
  await runner.none(
    `insert into revocations as known (kind, value, until)
     values ($(kind), $(value), to_timestamp($(until) / 1000.0))
         on conflict (kind, value) do update set until = greatest(known.until, excluded.until)`,
    revocation,
  );
}
