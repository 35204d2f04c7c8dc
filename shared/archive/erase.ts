import { join } from 'node:path';
import type { Erasure } from '../connections/control.ts';
import type { Locks } from '../database/index.ts';
import { dayOfArchive, namesIn, removeUnfinished, syncFolder } from './files.ts';
import { ARCHIVE_LOCK } from './lock.ts';
import { type LineChange, rewriteArchive } from './rewrite.ts';

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
  const day = dayOfArchive(name);
  return day !== undefined && (erasure.kind === 'trip' || day < erasure.before);
}

async function eraseFrom(folder: string, erasure: Erasure): Promise<number> {
  await removeUnfinished(folder);
  const errors: Error[] = [];
  let changed = 0;
  for (const name of await namesIn(folder)) {
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
  private readonly folder: string;
  private readonly locks: Locks;

  constructor(folder: string, locks: Locks) {
    this.folder = folder;
    this.locks = locks;
  }

  /**
   * @returns how many archived positions were taken out or changed
   * @throws an error that names every archive which could not be read or written; the others are done
   */
  erase(erasure: Erasure): Promise<number> {
    return this.locks.alone(ARCHIVE_LOCK, () => eraseFrom(this.folder, erasure));
  }
}
