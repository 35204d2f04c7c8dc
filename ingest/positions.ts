import type { Queries } from '../shared/database/index.ts';
import type { LoggedPosition, Outcome } from '../shared/position-log/index.ts';
import { DAY_MS } from '../shared/schemas/time.ts';
import { findFreeTimes } from './free-times.ts';
import { createPartition } from './sql/create-partition.ts';
import { storedBetween } from './sql/stored-between.ts';
import { writePositions } from './sql/write-positions.ts';

type DatabaseError = { code?: unknown; constraint?: unknown };

const codeOf = (error: unknown) => String((error as DatabaseError | null)?.code ?? '');

/** PostgreSQL's errors, appendix A: 22 data exception, 23 integrity violation. The rows are at fault, not the database. */
const isDataError = (error: unknown) => /^2[23]/.test(codeOf(error));

/**
 * "no partition of relation found for row" comes as a check_violation, but of no constraint that has a name. (Its words are
 * in the language of the server.)
 */
const isMissingPartition = (error: unknown) =>
  codeOf(error) === '23514' && (error as DatabaseError).constraint === undefined;

export type PositionWriterEvents = {
  /** The database itself refuses this position: it is set aside, the rest of its batch is stored. */
  poison?(position: LoggedPosition, error: unknown): void;
};

/** So much (ms) of a driver's history is looked through at once for a free millisecond. */
const SEARCH_MS = 10_000;

/**
 * Writes batches of positions. A batch goes in one statement. If the database refuses it for a row's sake, it is
 * halved until that row stands alone. If it can't be had, the error is thrown and the caller tries again: positions are the same
 * by driver and time, so trying again changes nothing.
 */
export function createPositionWriter(queries: Queries, events: PositionWriterEvents = {}) {
  async function write(positions: readonly LoggedPosition[]): Promise<Outcome[]> {
    try {
      return await store(positions);
    } catch (error) {
      if (!isDataError(error)) throw error;
      const [only] = positions;
      if (positions.length === 1 && only !== undefined) {
        events.poison?.(only, error);
        return ['INVALID_PAYLOAD'];
      }
      const middle = positions.length >> 1;
      return [...(await write(positions.slice(0, middle))), ...(await write(positions.slice(middle)))];
    }
  }

  async function store(positions: readonly LoggedPosition[]): Promise<Outcome[]> {
    try {
      return await insert(positions);
    } catch (error) {
      if (!isMissingPartition(error)) throw error;
      await makePartitions(positions);
      return insert(positions);
    }
  }

  async function insert(positions: readonly LoggedPosition[]): Promise<Outcome[]> {
    const outcomes = new Array<Outcome>(positions.length).fill('accepted');
    const displaced = new Map<string, LoggedPosition[]>();
    for (const index of await writePositions(queries, positions)) {
      const position = positions[index];
      if (position?.timeAssigned) {
        const own = displaced.get(position.driverId) ?? [];
        displaced.set(position.driverId, [...own, position]);
      } else outcomes[index] = 'duplicate';
    }
    for (const [driverId, own] of displaced) await moveOn(driverId, own, positions);
    return outcomes;
  }

  /**
   * Positions without a time of their own, whose time is taken, are never taken for other ones: they are moved on and
   * stored. Driver by driver, many at once: whoever has filled thousands of milliseconds must not hold up everybody else.
   */
  async function moveOn(
    driverId: string,
    displaced: readonly LoggedPosition[],
    batch: readonly LoggedPosition[],
  ): Promise<void> {
    const others = batch.filter(
      (position) => position.driverId === driverId && !displaced.includes(position),
    );
    const taken = new Set(others.map(({ recordedAt }) => recordedAt));
    let waiting = displaced;
    while (waiting.length > 0) {
      const inOrder = waiting.toSorted((a, b) => a.recordedAt - b.recordedAt);
      const from = inOrder[0]?.recordedAt ?? 0;
      const end = from + SEARCH_MS;
      const stored = await storedBetween(queries, driverId, from, end);
      const { placed, left } = findFreeTimes(inOrder, stored, taken, end);
      const indices = placed.length === 0 ? [] : await writePositions(queries, placed);
      // Another worker was quicker: with a position of its own, or with this very one
      const refused = placed.filter((_, index) => indices.includes(index));
      for (const { recordedAt } of refused) taken.delete(recordedAt);
      waiting = [...refused, ...left];
    }
  }

  async function makePartitions(positions: readonly LoggedPosition[]): Promise<void> {
    const days = new Set(positions.map(({ recordedAt }) => Math.floor(recordedAt / DAY_MS)));
    for (const day of days) await createPartition(queries, day * DAY_MS);
  }

  return write;
}
