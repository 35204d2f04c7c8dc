import type { Queries } from '../shared/database/index.ts';
import type { LoggedPosition, Outcome } from '../shared/position-log/index.ts';
import { createPartition, DAY_MS } from './sql/create-partition.ts';
import { isStored } from './sql/find-stored-position.ts';
import { writePositions } from './sql/write-positions.ts';

/** PostgreSQL's errors, appendix A: 22 data exception, 23 integrity violation. The rows are at fault, not the database. */
const isDataError = (error: unknown) => /^2[23]/.test(codeOf(error));

/** "no partition of relation found for row" comes as check_violation. */
const isMissingPartition = (error: unknown) =>
  codeOf(error) === '23514' && error instanceof Error && error.message.includes('partition');

const codeOf = (error: unknown) => String((error as { code?: unknown } | null)?.code ?? '');

export type PositionWriterEvents = {
  /** The database itself refuses this position: it is set aside, the rest of its batch is stored. */
  poison?(position: LoggedPosition, error: unknown): void;
};

/** A position without a time of its own is moved on at most so often (ms) to find a free millisecond. */
const MAX_MOVES = 1000;

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
      if (isMissingPartition(error)) {
        await makeMissingPartitions(positions);
        return store(positions);
      }
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
    const outcomes = new Array<Outcome>(positions.length).fill('accepted');
    for (const index of await writePositions(queries, positions)) {
      const position = positions[index];
      outcomes[index] = position?.timeAssigned ? await storeLater(position) : 'duplicate';
    }
    return outcomes;
  }

  /**
   * A position without a time of its own is never taken for another one: it moves on to the next free millisecond,
   * unless it is there already because an earlier try got through and only its answer was lost.
   */
  async function storeLater(position: LoggedPosition): Promise<Outcome> {
    for (let moves = 0; moves < MAX_MOVES; moves++) {
      if (await isStored(queries, position)) return 'accepted';
      position.recordedAt += 1;
      if ((await writePositions(queries, [position])).length === 0) return 'accepted';
    }
    throw new Error(`no free millisecond for a position of driver ${position.driverId}`);
  }

  async function makeMissingPartitions(positions: readonly LoggedPosition[]): Promise<void> {
    const days = new Set(positions.map(({ recordedAt }) => Math.floor(recordedAt / DAY_MS)));
    for (const day of days) await createPartition(queries, day * DAY_MS);
  }

  return write;
}
