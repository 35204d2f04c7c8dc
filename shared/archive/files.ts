import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A day's positions: gzip, one a line as REST shows them, with `driverId`, `recordedAt` and, where there is one, `tripId`. */
const archivePattern = /^location_history_(\d{4})(\d{2})(\d{2})\.ndjson\.gz$/;

/** Beside the archive, since a rename does not leave the file system. What ends like this was never whole. */
export const ERASING = '.erasing';
export const ARCHIVING = '.archiving';

/** The archive of the UTC day of an instant (epoch ms). */
export const archiveName = (time: number) =>
  `location_history_${new Date(time).toISOString().slice(0, 10).replaceAll('-', '')}.ndjson.gz`;

/** When the day of an archive began (epoch ms); undefined: it is none. */
export function dayOfArchive(name: string): number | undefined {
  const [, year, month, day] = archivePattern.exec(name) ?? [];
  return year === undefined ? undefined : Date.UTC(Number(year), Number(month) - 1, Number(day));
}

export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    // Nothing has been archived yet
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** What processes that died have left half written. For whoever has the lock of the archives: nobody else is writing. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await namesIn(folder))
    if (name.endsWith(ERASING) || name.endsWith(ARCHIVING)) await rm(join(folder, name), { force: true });
}

/** Renames are on the disk as well. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
