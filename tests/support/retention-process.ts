import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/*
 * A process that looks at old days once: DATABASE_URL, ARCHIVE_DIR. With KILL_AT=n it kills itself after its n-th step: a
 * statement, or a change of a file. Prints its steps.
 */

const killAt = Number(process.env.KILL_AT ?? 0);
const steps: string[] = [];

function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  steps.push(name);
  const isLast = steps.length === killAt;
  return work().finally(() => {
    if (isLast) process.kill(process.pid, 'SIGKILL');
  });
}

// biome-ignore lint/suspicious/noExplicitAny: whatever they take
type Anything = any;

for (const name of ['rename', 'rm', 'open'] as const) {
  const real = fsPromises[name] as (...args: Anything[]) => Promise<Anything>;
  (fsPromises as Anything)[name] = (...args: Anything[]) => step(name, () => real(...args));
}
for (const name of ['write', 'writev', 'fsync'] as const) {
  const real = fs[name] as (...args: Anything[]) => void;
  (fs as Anything)[name] = (...args: Anything[]) => {
    const done = args.pop();
    step(
      name,
      () =>
        new Promise<Anything[]>((resolve) => {
          real(...args, (...results: Anything[]) => resolve(results));
        }),
    ).then((results) => done(...results));
  };
}
syncBuiltinESMExports();

// After that, so that these have the changed functions
const { retireDays } = await import('../../ingest/retention/retire-days.ts');
const { createAdvisoryLocks } = await import('../../shared/database/locks.ts');
const { connect } = await import('../../shared/database/postgres.ts');
const { createMetrics } = await import('../../shared/telemetry/metrics.ts');
const { createLogger } = await import('../../shared/telemetry/log.ts');
const { default: pgPromise } = await import('pg-promise');
const { Client } = pgPromise({ noWarnings: true }).pg;

const query = Client.prototype.query as (...args: Anything[]) => Anything;
Client.prototype.query = function (this: unknown, ...args: Anything[]) {
  const done = args.at(-1);
  if (typeof done !== 'function') return query.apply(this, args);
  step(
    String(args[0]?.text ?? args[0])
      .trim()
      .split(/\s/, 1)[0] ?? '',
    () =>
      new Promise<Anything[]>((resolve) => {
        query.call(this, ...args.slice(0, -1), (...results: Anything[]) => resolve(results));
      }),
  ).then((results) => done(...results));
} as Anything;

const pool = connect(process.env.DATABASE_URL ?? '', { poolSize: 2 });
const locks = createAdvisoryLocks(pool.queries);
const archiveDir = process.env.ARCHIVE_DIR;
await retireDays(
  {
    queries: pool.queries,
    locks,
    historyRetentionDays: 7,
    archiveDir,
    metrics: createMetrics(),
    log: createLogger('info'),
  },
  new AbortController().signal,
);
await pool.close();
process.stdout.write(`steps: ${steps.join(' ')}\n`);
