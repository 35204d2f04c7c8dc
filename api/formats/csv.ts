import type { LoggedPosition } from '../../shared/position-log/index.ts';
import { iso, type TrackFormat } from './format.ts';

const columns: readonly [string, (position: LoggedPosition) => string | number | null][] = [
  ['driverId', (position) => position.driverId],
  ['recordedAt', (position) => iso(position.recordedAt)],
  ['receivedAt', (position) => iso(position.receivedAt)],
  ['latitude', (position) => position.latitude],
  ['longitude', (position) => position.longitude],
  ['bearing', (position) => position.bearing],
  ['speed', (position) => position.speed],
  ['accuracy', (position) => position.accuracy],
  ['altitude', (position) => position.altitude],
  ['battery', (position) => position.battery],
  ['tripId', (position) => position.tripId],
];

/** RFC 4180, with a header line; what is unknown is empty. Ids and numbers need no quotes. */
export const csv: TrackFormat = {
  mediaType: 'text/csv; charset=utf-8; header=present',
  extension: 'csv',
  head: () => `${columns.map(([name]) => name).join(',')}\r\n`,
  position: (position) => `${columns.map(([, value]) => value(position) ?? '').join(',')}\r\n`,
  tail: () => '',
};
