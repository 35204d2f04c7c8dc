import { open } from 'node:fs/promises';
import { UsageError } from '../shared/usage-error.ts';
import { completeBearings } from './bearing.ts';
import { type CsvOptions, detectDelimiter, readCsv } from './read-csv.ts';
import { readGpx } from './read-gpx.ts';
import { RowProblems } from './row-problems.ts';
import type { Sink } from './sink.ts';
import type { TrackPoint } from './track-point.ts';

export type ReadOptions = CsvOptions & {
  /** At most so many positions, the earliest; undefined: all. */
  limit: number | undefined;
};

/** A file, read: its positions in the order of time, across tracks. */
export type Recording = {
  points: TrackPoint[];
  /** Track ids, in the order of their first position. */
  tracks: string[];
  /** Positions in the file, before `limit`. */
  positionsInFile: number;
  /** Lines for the user: what was taken for what, what was left out. */
  notes: string[];
};

/** Not one position in the whole file. `message` names the first reasons. */
export class EmptyRecordingError extends Error {
  constructor(file: string, reasons: readonly string[]) {
    super([`there is no position in ${file}`, ...reasons].join('\n'));
    this.name = 'EmptyRecordingError';
  }
}

/** Enough for any header line. */
const HEAD_BYTES = 64 * 1024;

async function readHead(file: string): Promise<string> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
      return buffer
        .toString('utf8', 0, bytesRead)
        .replace(/^\uFEFF/, '')
        .trimStart();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new UsageError([`${file} can't be read: ${(error as Error).message}`]);
  }
}

/** Two positions of a driver in one millisecond are one position for the platform (SPEC section 6). */
function countRepeats(points: readonly TrackPoint[]): number {
  const lastOf = new Map<string, number>();
  let repeats = 0;
  for (const { track, timeMs } of points) {
    if (lastOf.get(track) === timeMs) repeats++;
    lastOf.set(track, timeMs);
  }
  return repeats;
}

/** A column called `id` may hold the number of the row: then every row would be a driver. */
function refuseRowNumbers(points: readonly TrackPoint[]): void {
  if (points.length < 2 || new Set(points.map(({ track }) => track)).size < points.length) return;
  throw new UsageError([
    'every row has a driver id of its own: name the columns that count with --columns HEADER=FIELD,...',
  ]);
}

function notesOn({ notes, problems, leftOut }: Sink, repeats: number): string[] {
  const values = [...leftOut].map(([field, count]) => `${field} ${count}`).join(', ');
  return [
    ...notes,
    ...problems.describe(),
    ...(values === '' ? [] : [`values that can't be one were left out: ${values}`]),
    ...(repeats === 0
      ? []
      : [`${repeats} positions have the time of another one of their track: stored once`]),
  ];
}

/**
 * Reads a recorded track: GPX when the file begins like XML, else CSV. All positions are held in memory (about
 * 150 bytes each), since a file may be grouped by track and is played by time.
 * @throws UsageError when the file can't be read as it is or as `columns` says
 * @throws EmptyRecordingError when nothing in it is a position
 */
export async function readTrack(file: string, options: ReadOptions): Promise<Recording> {
  const head = await readHead(file);
  const sink: Sink = { points: [], problems: new RowProblems(), leftOut: new Map(), notes: [] };
  if (head.startsWith('<')) await readGpx(file, sink);
  else {
    await readCsv(file, detectDelimiter(head.split(/\r?\n|\r/, 1)[0] ?? ''), options, sink);
    if (options.columns === undefined) refuseRowNumbers(sink.points);
  }
  if (sink.points.length === 0) throw new EmptyRecordingError(file, sink.problems.describe());

  sink.points.sort((a, b) => a.timeMs - b.timeMs);
  completeBearings(sink.points);
  const points = options.limit === undefined ? sink.points : sink.points.slice(0, options.limit);
  const tracks = [...new Set(points.map(({ track }) => track))];
  return {
    points,
    tracks,
    positionsInFile: sink.points.length,
    notes: notesOn(sink, countRepeats(points)),
  };
}
