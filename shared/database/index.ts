import type { IDatabase, ITask } from 'pg-promise';
import type { CircuitState } from '../telemetry/circuits.ts';

/** What queries are made with. Parameters are always bound. */
export type Queries = IDatabase<object>;
export type Transaction = ITask<object>;

/** Anything that runs statements: the pool, or a transaction. */
export type Runner = Pick<Queries, 'any' | 'one' | 'oneOrNone' | 'none'>;

/** A connection of its own (of a task), or the pool where there is just one. */
export type Session = Runner & Pick<Queries, 'tx'>;

/**
 * Port: work that one at a time may do, over all processes that share the database. It takes minutes where days are large: no transaction
 * is open meanwhile. Adapters: `locks.ts`.
 */
export type Locks = {
  /** Waits for its turn. `session`: what the lock is bound to. Where that is lost its statements fail, and the lock is another's. */
  alone<T>(lock: number, work: (session: Session) => Promise<T>): Promise<T>;
  /** Does not wait. @returns undefined: somebody else has the lock */
  ifFree<T>(lock: number, work: (session: Session) => Promise<T>): Promise<{ done: T } | undefined>;
};

/** Port: the database. Adapters: `postgres.ts` (a server at DATABASE_URL), `embedded.ts` (PGlite in a worker thread). */
export type Database = {
  queries: Queries;
  locks: Locks;
  /** For tools that connect by themselves: migrations, psql. */
  connectionString: string;
  /** What to call it in logs and health answers; without credentials. */
  description: string;
  /** Of the circuit breaker before it, where there is one. */
  circuit?(): CircuitState;
  close(): Promise<void>;
};
