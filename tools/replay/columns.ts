import { UsageError } from '../shared/usage-error.ts';
import { type PositionField, positionFields } from './track-point.ts';

/** Which position field a CSV header stands for. */
export type ColumnMapping = ReadonlyMap<string, PositionField>;

/** The index of the column that holds a field, for every field that the file has. */
export type ColumnIndexes = ReadonlyMap<PositionField, number>;

/**
 * Headers that are common in recordings, the surest first: where a file has several of a field's, the first in
 * this list is taken. Written without case, blanks and punctuation. `id` comes last, it may be a row's own number.
 */
const commonHeaders: Record<PositionField, readonly string[]> = {
  latitude: ['latitude', 'lat', 'gpslat', 'gpslatitude', 'latdeg'],
  longitude: ['longitude', 'lon', 'lng', 'long', 'gpslon', 'gpslongitude', 'londeg'],
  recordedAt: ['recordedat', 'timestamp', 'time', 'datetime', 'ts', 'gpstime', 'utc', 'utctime'],
  driverId: [
    'driverid',
    'trackid',
    'vehicleid',
    'deviceid',
    'taxiid',
    'driver',
    'vehicle',
    'track',
    'mmsi',
    'id',
  ],
  speed: ['speed', 'sog', 'velocity'],
  bearing: ['bearing', 'heading', 'course', 'cog'],
  altitude: ['altitude', 'alt', 'ele', 'elevation'],
  accuracy: ['accuracy', 'acc', 'hacc', 'horizontalaccuracy'],
  battery: ['battery', 'batt', 'batterylevel'],
};

/** `Recorded_At` and `recorded at [UTC]` are both `recordedat`. */
const bare = (header: string) =>
  header
    .toLowerCase()
    .replace(/[([{].*$/, '')
    .replace(/[^a-z0-9]/g, '');

const isField = (text: string): text is PositionField => (positionFields as readonly string[]).includes(text);

/** Reads `HEADER=field,HEADER=field`. A header may itself hold `=`, not a comma. */
export function parseMapping(text: string): { mapping: ColumnMapping; problems: string[] } {
  const mapping = new Map<string, PositionField>();
  const problems: string[] = [];
  for (const pair of text.split(',')) {
    const equals = pair.lastIndexOf('=');
    const header = pair.slice(0, Math.max(equals, 0)).trim();
    const field = pair.slice(equals + 1).trim();
    if (header === '') problems.push(`--columns: "${pair.trim()}" is not HEADER=FIELD`);
    else if (!isField(field))
      problems.push(`--columns: "${field}" is not a field, these are: ${positionFields.join(', ')}`);
    else if (mapping.has(header)) problems.push(`--columns: header "${header}" stands there twice`);
    else if ([...mapping.values()].includes(field)) problems.push(`--columns: two headers for ${field}`);
    else mapping.set(header, field);
  }
  return { mapping, problems };
}

function mapped(headers: readonly string[], mapping: ColumnMapping): Map<PositionField, number> {
  const missing = [...mapping.keys()].filter((header) => !headers.includes(header));
  if (missing.length > 0)
    throw new UsageError(
      missing.map((header) => `--columns: the file has no column "${header}", it has: ${headers.join(', ')}`),
    );
  return new Map([...mapping].map(([header, field]) => [field, headers.indexOf(header)]));
}

function detected(headers: readonly string[]): Map<PositionField, number> {
  const names = headers.map(bare);
  const indexes = new Map<PositionField, number>();
  for (const field of positionFields) {
    const index = commonHeaders[field]
      .map((name) => names.indexOf(name))
      .find((found) => found >= 0 && ![...indexes.values()].includes(found));
    if (index !== undefined) indexes.set(field, index);
  }
  return indexes;
}

/**
 * Where each field stands in the rows: as `--columns` says, or else by common headers.
 * @throws UsageError when a position could not be read that way
 */
export function columnIndexes(headers: readonly string[], mapping: ColumnMapping | undefined): ColumnIndexes {
  const trimmed = headers.map((header) => header.trim());
  const indexes = mapping === undefined ? detected(trimmed) : mapped(trimmed, mapping);
  const missing = (['latitude', 'longitude', 'recordedAt'] as const).filter((field) => !indexes.has(field));
  if (missing.length > 0)
    throw new UsageError([
      `no column for ${missing.join(', ')} among: ${trimmed.join(', ')}; name it with --columns HEADER=FIELD,...`,
    ]);
  return indexes;
}
