import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

export type ArchivedPosition = {
  driverId: string;
  recordedAt: string;
  latitude: number;
  longitude: number;
  tripId?: string;
};

/** A folder of archived days, as retention leaves them. */
export async function archiveFolder() {
  const path = await mkdtemp(join(tmpdir(), 'fleetcast-archive-'));
  const fileOf = (day: string) => join(path, `location_history_${day}.ndjson.gz`);
  return {
    path,
    fileOf,
    async write(day: string, positions: readonly ArchivedPosition[]): Promise<void> {
      const lines = positions.map((position) => `${JSON.stringify(position)}\n`);
      await writeFile(fileOf(day), gzipSync(lines.join('')));
    },
    async read(day: string): Promise<ArchivedPosition[]> {
      const text = gunzipSync(await readFile(fileOf(day))).toString();
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as ArchivedPosition);
    },
    bytes: (day: string) => readFile(fileOf(day)),
    names: async () => (await readdir(path)).sort(),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** At noon of a day (YYYYMMDD), and so many seconds. */
export const archived = (
  day: string,
  second: number,
  fields: Partial<ArchivedPosition> = {},
): ArchivedPosition => ({
  driverId: 'driver-1',
  latitude: 48.2,
  longitude: 16.3738219,
  recordedAt: new Date(
    Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T12:00:00Z`) + second * 1000,
  ).toISOString(),
  ...fields,
});
