import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

/** What becomes of the positions in an archive that mention a text. */
export type LineChange = {
  /** Lines without it stay as they are, unread. */
  mentions: string;
  /** The position as it is to be; undefined: it is left out; the same object: it stays. */
  change(position: Record<string, unknown>): object | undefined;
};

/** Beside the archive: a rename does not leave the file system. */
export const UNFINISHED = '.erasing';

/** Bytes. A position takes about 300; a file without line ends is not to be held in memory. */
const MAX_LINE = 65_536;
const CHUNK = 262_144;
const NEWLINE = 0x0a;

async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = text.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield text.subarray(0, end);
    rest = text.subarray(end);
    if (rest.length > MAX_LINE) throw new Error(`a line is longer than ${MAX_LINE} bytes`);
  }
  if (rest.length > 0) yield rest;
}

/** @throws without a word of what stands there: errors are logged */
function positionOf(line: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line.toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below
  }
  throw new Error('a line is no position');
}

/** One pass over an archive. */
class Pass {
  changed = 0;
  private readonly rule: LineChange;

  constructor(rule: LineChange) {
    this.rule = rule;
  }

  async *over(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const block of wholeLines(chunks))
      if (block.includes(this.rule.mentions)) yield this.changedBlock(block);
      else yield block;
  }

  private changedBlock(block: Buffer): Buffer {
    const lines: Buffer[] = [];
    for (let start = 0; start < block.length; ) {
      const newline = block.indexOf(NEWLINE, start);
      const end = newline < 0 ? block.length : newline + 1;
      const line = this.changedLine(block.subarray(start, end));
      if (line !== undefined) lines.push(line);
      start = end;
    }
    return Buffer.concat(lines);
  }

  private changedLine(line: Buffer): Buffer | undefined {
    if (!line.includes(this.rule.mentions)) return line;
    const position = positionOf(line);
    const changed = this.rule.change(position);
    if (changed === position) return line;
    this.changed++;
    return changed === undefined ? undefined : Buffer.from(`${JSON.stringify(changed)}\n`);
  }
}

const unpacked = (path: string) =>
  [createReadStream(path, { highWaterMark: CHUNK }), createGunzip({ chunkSize: CHUNK })] as const;

async function countChanges(path: string, rule: LineChange): Promise<number> {
  const pass = new Pass(rule);
  await pipeline(...unpacked(path), async (chunks: AsyncIterable<Buffer>) => {
    for await (const _block of pass.over(chunks));
  });
  return pass.changed;
}

async function replace(path: string, rule: LineChange): Promise<void> {
  const temporary = `${path}${UNFINISHED}`;
  const { mode } = await stat(path);
  const pass = new Pass(rule);
  try {
    await pipeline(
      ...unpacked(path),
      (chunks: AsyncIterable<Buffer>) => pass.over(chunks),
      createGzip(),
      createWriteStream(temporary, { mode, flush: true }),
    );
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Changes positions in an archive (gzip, a JSON object a line): read whole first, so that one that is damaged is left alone, and most hold
 * nothing to be changed; then written anew beside it, on the disk, and put in its place.
 * @returns how many lines were changed
 * @throws an error with the name of the file, and nothing of what is in it
 */
export async function rewriteArchive(path: string, rule: LineChange): Promise<number> {
  try {
    const changed = await countChanges(path, rule);
    if (changed > 0) await replace(path, rule);
    return changed;
  } catch (error) {
    throw new Error(`${basename(path)}: ${(error as Error).message}`);
  }
}
