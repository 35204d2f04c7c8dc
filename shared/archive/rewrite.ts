import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { ERASING } from './files.ts';
import { lineEnd, positionOf, unpacked, wholeLines } from './lines.ts';

/** What becomes of the positions in an archive that mention a text. */
export type LineChange = {
  /** Lines without it stay as they are, unread. */
  mentions: string;
  /** The position as it is to be; undefined: it is left out; the same object: it stays. */
  change(position: Record<string, unknown>): object | undefined;
};

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
      const end = lineEnd(block, start);
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

async function countChanges(path: string, rule: LineChange): Promise<number> {
  const pass = new Pass(rule);
  await pipeline(...unpacked(path), async (chunks: AsyncIterable<Buffer>) => {
    for await (const _block of pass.over(chunks));
  });
  return pass.changed;
}

async function replace(path: string, rule: LineChange): Promise<void> {
  const temporary = `${path}${ERASING}`;
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
