import type { LoggedPosition } from '../../shared/position-log/index.ts';
import { MalformedEntry, positionsOf } from '../../shared/position-log/redis/entry.ts';

/** As XREADGROUP gives it: an id, and fields and values in turn. */
export type StreamEntry = [id: string, fields: string[] | null];

export type Malformed = { driverId: string; value: string; reason: string };

/** Some entries of the log that go to the database together. */
export type EntryBatch = { ids: string[]; positions: LoggedPosition[]; malformed: Malformed[] };

/** Larger statements gain nothing, and make what comes after them wait. */
const MAX_POSITIONS = 2000;

/** Cuts what was read into batches, in order. What can not be understood is in them too: it is to be set aside before they are done with. */
export function* batchesOf(entries: readonly StreamEntry[]): Generator<EntryBatch> {
  let batch: EntryBatch = { ids: [], positions: [], malformed: [] };
  for (const [id, fields] of entries) {
    // The first field counts (append-script.ts)
    for (let at = 2; at < (fields?.length ?? 0); at += 2)
      read(batch, fields?.[at] ?? '', fields?.[at + 1] ?? '');
    batch.ids.push(id);
    if (batch.positions.length < MAX_POSITIONS) continue;
    yield batch;
    batch = { ids: [], positions: [], malformed: [] };
  }
  if (batch.ids.length > 0) yield batch;
}

function read(batch: EntryBatch, driverId: string, value: string): void {
  try {
    for (const position of positionsOf(driverId, value)) batch.positions.push(position);
  } catch (error) {
    if (!(error instanceof MalformedEntry)) throw error;
    batch.malformed.push({ driverId, value, reason: error.message });
  }
}
