import type { SubmittedPosition } from '../../schemas/position.ts';
import type { LoggedPosition } from '../index.ts';

/** Positions in an entry of the log are JSON arrays: a third of the bytes of objects, and nothing to look up. */
type Row = [
  latitude: number,
  longitude: number,
  bearing: number | null,
  speed: number | null,
  accuracy: number | null,
  altitude: number | null,
  battery: number | null,
  recordedAt: number | null,
  /** Only of what was held: the trip that it belongs to, and whether its time was assigned. */
  tripId?: string | null,
  timeAssigned?: 0 | 1 | null,
  /** Only of the first row of what is traced: a traceparent. */
  trace?: string,
];

export const row = (position: SubmittedPosition): Row => [
  position.latitude,
  position.longitude,
  position.bearing,
  position.speed,
  position.accuracy,
  position.altitude,
  position.battery,
  position.recordedAt,
];

/** As row, of the first position of what is traced. */
export const tracedRow = (position: SubmittedPosition, trace: string): Row => [
  ...(row(position) as [number, number, null, null, null, null, null, number]),
  null,
  null,
  trace,
];

export const heldRow = (position: LoggedPosition): Row => [
  ...(row(position) as [number, number, null, null, null, null, null, number]),
  position.tripId,
  position.timeAssigned ? 1 : 0,
];

/** An entry that is none of ours: nothing can be made of it, also not later. */
export class MalformedEntry extends Error {}

/** The kind (l live, b backlog, h held while the log was away), receivedAt, the first assigned time, the trip and its beginning. */
const HEADER = /^([lbh])\|(\d+)\|(\d+)\|([^|]*)\|(\d*)\|/;

/**
 * What one submission brought to the log.
 * @throws MalformedEntry
 */
export function positionsOf(driverId: string, value: string): LoggedPosition[] {
  const header = HEADER.exec(value);
  if (header === null) throw new MalformedEntry('no header');
  const [text, kind, receivedAt, assigned, tripId = '', beganAt] = header;
  const trip = tripId === '' ? null : { id: tripId, beganAt: Number(beganAt) };
  let nextAssigned = Number(assigned);
  return rowsOf(value.slice(text.length)).map((given): LoggedPosition => {
    const timeAssigned = given[7] === null || given[9] === 1;
    const recordedAt = given[7] ?? nextAssigned++;
    return {
      driverId,
      receivedAt: Number(receivedAt),
      tripId:
        kind === 'h'
          ? (given[8] ?? null)
          : trip !== null && (kind === 'l' || recordedAt >= trip.beganAt)
            ? trip.id
            : null,
      timeAssigned,
      ...positionOf(given, recordedAt),
      ...(typeof given[10] === 'string' ? { trace: given[10] } : {}),
    };
  });
}

export const positionOf = (given: Row, recordedAt: number) => ({
  latitude: given[0],
  longitude: given[1],
  bearing: given[2],
  speed: given[3],
  accuracy: given[4],
  altitude: given[5],
  battery: given[6],
  recordedAt,
});

export function parseRow(text: string): Row {
  const [only] = rowsOf(`[${text}]`);
  if (only === undefined) throw new MalformedEntry('no position');
  return only;
}

function rowsOf(text: string): Row[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    throw new MalformedEntry('not JSON');
  }
  if (!Array.isArray(rows) || !rows.every(isRow)) throw new MalformedEntry('not rows of positions');
  return rows;
}

const isRow = (value: unknown): value is Row =>
  Array.isArray(value) &&
  value.length >= 8 &&
  typeof value[0] === 'number' &&
  typeof value[1] === 'number' &&
  value.slice(2, 8).every((field) => field === null || typeof field === 'number');
