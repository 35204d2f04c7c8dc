import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { ARCHIVING, archiveName, syncFolder } from '../../shared/archive/files.ts';
import { positionOf } from '../../shared/archive/lines.ts';
import type { Session } from '../../shared/database/index.ts';
import { START } from '../sql/archive-line.ts';
import { archivePage } from '../sql/archive-page.ts';
import { missingPositions } from '../sql/missing-positions.ts';
import {
  type Digest,
  digestOfArchive,
  digestOfPartition,
  isSame,
  lineHash,
  linesOf,
  PAGE,
} from './digest.ts';

/** Where people have lived: for the eyes of the owner. */
const MODE = 0o600;

type Partition = { session: Session; table: string; signal: AbortSignal };

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function* linesOfPartition({ session, table, signal }: Partition): AsyncGenerator<string> {
  let page = await archivePage(session, table, START, PAGE);
  while (page !== undefined) {
    signal.throwIfAborted();
    yield `${page.lines.join('\n')}\n`;
    page = await archivePage(session, table, page.end, PAGE);
  }
}

async function notThere({ session, table }: Partition, lines: readonly string[]): Promise<string[]> {
  const positions = lines.map((line) => positionOf(Buffer.from(line)));
  const missing = await missingPositions(
    session,
    table,
    positions.map(({ driverId }) => String(driverId)),
    positions.map(({ recordedAt }) => new Date(recordedAt as string | number).toISOString()),
  );
  return missing.map((index) => lines[index] as string);
}

/** What an earlier archive has and the partition does not: it was dropped once, and has come back for what came late. */
async function* linesArchivedBefore(
  partition: Partition,
  path: string,
  digest: Digest,
): AsyncGenerator<string> {
  const page = async function* (lines: readonly string[]) {
    for (const line of await notThere(partition, lines)) {
      digest.rows++;
      digest.sum += lineHash(line);
      yield `${line}\n`;
    }
  };
  let lines: string[] = [];
  for await (const line of linesOf(path, partition.signal)) {
    lines.push(line.toString());
    if (lines.length < PAGE) continue;
    yield* page(lines);
    lines = [];
  }
  if (lines.length > 0) yield* page(lines);
}

/**
 * Writes the archive of a partition: beside its place, on the disk, read again from there and held against the database, and only then put
 * in its place. One that is there already and says the same is left; what else one that is there has is kept.
 * @returns how many positions it has; 0: a day without any has no archive
 * @throws where it could not be written, read or is not what the database has; what was there before is as it was
 */
export async function archiveDay(folder: string, day: number, partition: Partition): Promise<number> {
  const { session, table, signal } = partition;
  const path = join(folder, archiveName(day));
  const expected = await digestOfPartition(session, table, signal);
  const isArchived = await isThere(path);
  if (isArchived && isSame(await digestOfArchive(path, signal), expected)) return expected.rows;
  if (expected.rows === 0) return 0;

  const temporary = `${path}.${randomUUID()}${ARCHIVING}`;
  try {
    const whole = async function* () {
      yield* linesOfPartition(partition);
      if (isArchived) yield* linesArchivedBefore(partition, path, expected);
    };
    await pipeline(
      Readable.from(whole(), { objectMode: false }),
      createGzip(),
      createWriteStream(temporary, { mode: MODE, flags: 'wx', flush: true }),
      { signal },
    );
    if (!isSame(await digestOfArchive(temporary, signal), expected))
      throw new Error(`${archiveName(day)}: what was written is not what the database has`);
    // Without the lock of this session somebody else may have written it meanwhile, or have erased in it
    await session.one('select 1');
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return expected.rows;
}
