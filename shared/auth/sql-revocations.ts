import type { Revocation } from '../connections/control.ts';
import type { Runner } from '../database/index.ts';

/** Those that still hold; the others are forgotten. */
export async function loadRevocations(runner: Runner): Promise<Revocation[]> {
  await runner.none('delete from revocations where until < now()');
  return runner.any<Revocation>(
    'select kind, value, (extract(epoch from until) * 1000)::float8 as until from revocations',
  );
}

/** Those of the last seconds that still hold. */
export function recentRevocations(runner: Runner, seconds: number): Promise<Revocation[]> {
  return runner.any<Revocation>(
    `select kind, value, (extract(epoch from until) * 1000)::float8 as until
       from revocations
      where revoked_at > now() - make_interval(secs => $(seconds))
        and until > now()`,
    { seconds },
  );
}

/**
 * Every process has all that hold in memory: 100,000 are some 15 MB, a fleet of drivers and their phones many times over. Beyond, none is
 * taken any more until some have ended.
 */
const MOST = 100_000;

/** A later end wins. @returns false: there are too many, and it is not kept */
export async function saveRevocation(runner: Runner, revocation: Revocation): Promise<boolean> {
  const kept = await runner.any(
    `insert into revocations as known (kind, value, until)
     select $(kind), $(value), to_timestamp($(until) / 1000.0)
      where (select count(*) from revocations where until > now()) < $(most)
         or exists (select from revocations where kind = $(kind) and value = $(value))
         on conflict (kind, value) do update
        set until = greatest(known.until, excluded.until),
            revoked_at = now()
     returning kind`,
    { ...revocation, most: MOST },
  );
  return kept.length > 0;
}
