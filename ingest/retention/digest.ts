import { createHash } from 'node:crypto';
import { lineEnd, unpacked, wholeLines } from '../../shared/archive/lines.ts';
import type { Session } from '../../shared/database/index.ts';
import { START } from '../sql/archive-line.ts';
import { digestPage } from '../sql/digest-page.ts';

/** How many lines, and the sum over them of the first eight bytes of their SHA-256: the same whatever their order. */
export type Digest = { rows: number; sum: bigint };

export const isSame = (a: Digest, b: Digest) => a.rows === b.rows && a.sum === b.sum;

/** Rows of one statement: some 10 ms in the embedded database, in which nobody else's commit gets through. */
export const PAGE = 1000;

/** What a line without its newline adds to a sum. */
export const lineHash = (line: Buffer | string) =>
  createHash('sha256').update(line).digest().readBigInt64BE(0);

/** What the archive of a partition is to be, by the database. */
export async function digestOfPartition(
  session: Session,
  table: string,
  signal: AbortSignal,
): Promise<Digest> {
  const total = { rows: 0, sum: 0n };
  let page = await digestPage(session, table, START, PAGE);
  while (page !== undefined) {
    signal.throwIfAborted();
    total.rows += page.rows;
    total.sum += page.sum;
    page = await digestPage(session, table, page.end, PAGE);
  }
  return total;
}

/**
 * What an archive is, read from the disk and unpacked.
 * @throws where it is no whole gzip
 */
export async function digestOfArchive(path: string, signal: AbortSignal): Promise<Digest> {
  const total = { rows: 0, sum: 0n };
  for await (const line of linesOf(path, signal)) {
    total.rows++;
    total.sum += lineHash(line);
  }
  return total;
}

/** The lines of an archive, without their newlines. */
export async function* linesOf(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const [file, text] = unpacked(path);
  // The reader of the text hears of it too
  file.once('error', (error) => text.destroy(error));
  file.pipe(text);
  try {
    for await (const block of wholeLines(text)) {
      signal.throwIfAborted();
      for (let start = 0; start < block.length; ) {
        const end = lineEnd(block, start);
        yield block.subarray(start, block[end - 1] === NEWLINE ? end - 1 : end);
        start = end;
      }
    }
  } finally {
    file.destroy();
    text.destroy();
  }
}

const NEWLINE = 0x0a;
