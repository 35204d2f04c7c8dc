import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';

/** Bytes. A position takes about 300; a file without line ends is not to be held in memory. */
const MAX_LINE = 65_536;
const CHUNK = 262_144;
const NEWLINE = 0x0a;

/** Where the line that begins at `start` ends, its newline included. */
export function lineEnd(block: Buffer, start: number): number {
  const newline = block.indexOf(NEWLINE, start);
  return newline < 0 ? block.length : newline + 1;
}

/** The same bytes in blocks of whole lines. */
export async function* wholeLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
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
export function positionOf(line: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line.toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below
  }
  throw new Error('a line is no position');
}

/** An archive's text, in chunks. */
export const unpacked = (path: string) =>
  [createReadStream(path, { highWaterMark: CHUNK }), createGunzip({ chunkSize: CHUNK })] as const;
