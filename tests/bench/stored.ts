import { Client } from 'pg';

export type Stored = {
  /** Of the drivers, whenever. */
  count: number;
  /** Milliseconds from `recordedAt`, which is when it was sent, to the commit; 0 where nothing was stored. */
  toDatabase?: TimesToDatabase;
};

export type TimesToDatabase = { p50: number; p99: number; p999: number };

const COUNT = `select count(*)::int as count from location_history where driver_id like $1`;

const TO_DATABASE = `
select coalesce(percentile_cont(array[0.5, 0.99, 0.999]) within group (
         order by extract(epoch from pg_xact_commit_timestamp(xmin) - recorded_at) * 1000), array[0, 0, 0]::float8[]) as ms
from location_history
where recorded_at between to_timestamp($1::float8 / 1000) and to_timestamp($2::float8 / 1000)
  and driver_id like $3`;

/** Positions that stand in the database, of drivers whose ids begin with `prefix`. */
export function countStored(client: Client, prefix: string): Promise<number> {
  return client.query<{ count: number }>(COUNT, [`${prefix}-%`]).then(({ rows }) => rows[0]?.count ?? 0);
}

/** How long the way to the database was, of what was sent in a span of time (epoch ms). */
export async function timesToDatabase(
  client: Client,
  { from, to }: { from: number; to: number },
  prefix: string,
): Promise<TimesToDatabase> {
  const { rows } = await client.query<{ ms: number[] }>(TO_DATABASE, [from, to, `${prefix}-%`]);
  const [p50 = 0, p99 = 0, p999 = 0] = rows[0]?.ms ?? [];
  return { p50, p99, p999 };
}

/** A connection for the time of some work. */
export async function withDatabase<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
