import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Erasure } from '../connections/control.ts';
import type { Queries } from '../database/index.ts';
import { KeyedQueue } from '../trips/keyed-queue.ts';
import { type LineChange, rewriteArchive, UNFINISHED } from './rewrite.ts';
import { withArchiveLock } from './sql/archive-lock.ts';

/** A day's positions: gzip, one a line as REST shows them, with `driverId`, `recordedAt` and, where there is one, `tripId`. */
const archivePattern = /^location_history_(\d{4})(\d{2})(\d{2})\.ndjson\.gz$/;

function ruleOf(erasure: Erasure): LineChange {
  if (erasure.kind === 'trip')
    return {
      mentions: erasure.tripId,
      change(position) {
        const { tripId, ...rest } = position;
        return tripId === erasure.tripId ? rest : position;
      },
    };
  const { driverId, before } = erasure;
  return {
    mentions: driverId,
    change(position) {
      if (position.driverId !== driverId) return position;
      const time = new Date(position.recordedAt as string | number).getTime();
      if (Number.isNaN(time)) throw new Error('a position has no time');
      return time < before ? undefined : position;
    },
  };
}

/** May a file hold something of it? Names that are no archive's never do. */
function isConcerned(name: string, erasure: Erasure): boolean {
  const [, year, month, day] = archivePattern.exec(name) ?? [];
  if (year === undefined) return false;
  return erasure.kind === 'trip' || Date.UTC(Number(year), Number(month) - 1, Number(day)) < erasure.before;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    // Nothing has been archived yet
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Renames are on the disk as well. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function eraseFrom(folder: string, erasure: Erasure): Promise<number> {
  const names = await namesIn(folder);
  // A process that died in between has left it
  for (const name of names) if (name.endsWith(UNFINISHED)) await rm(join(folder, name), { force: true });
  const errors: Error[] = [];
  let changed = 0;
  for (const name of names) {
    if (!isConcerned(name, erasure)) continue;
    try {
      changed += await rewriteArchive(join(folder, name), ruleOf(erasure));
    } catch (error) {
      errors.push(error as Error);
    }
  }
  if (changed > 0) await syncFolder(folder);
  if (errors.length > 0)
    throw new Error(`archives that hold what they held: ${errors.map(({ message }) => message).join('; ')}`);
  return changed;
}

/** The archived days in ARCHIVE_DIR. One erasure at a time, over all processes: two that rewrite one file would undo each other. */
export class Archives {
  private readonly queue = new KeyedQueue();
  private readonly folder: string;
  private readonly queries: Queries;

  constructor(folder: string, queries: Queries) {
    this.folder = folder;
    this.queries = queries;
  }

  /**
   * @returns how many archived positions were taken out or changed
   * @throws an error that names every archive which could not be read or written; the others are done
   */
  erase(erasure: Erasure): Promise<number> {
    return this.queue.run(this.folder, () =>
      withArchiveLock(this.queries, () => eraseFrom(this.folder, erasure)),
    );
  }
}
