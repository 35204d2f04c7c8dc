import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import type { LoggedPosition } from '../../shared/position-log/index.ts';
import type { TrackFormat } from './format.ts';

/** Pieces are sent in lots of about this size (characters). */
const LOT = 32_768;

async function* pieces(
  positions: AsyncIterable<LoggedPosition>,
  format: TrackFormat,
): AsyncGenerator<string> {
  let lot = format.head();
  let count = 0;
  for await (const position of positions) {
    lot += format.position(position, count++);
    if (lot.length < LOT) continue;
    yield lot;
    lot = '';
  }
  yield lot + format.tail(count);
}

const wentAway = (error: unknown) =>
  (error as NodeJS.ErrnoException | null)?.code === 'ERR_STREAM_PREMATURE_CLOSE';

/** Begins at once, so that what fails before the first piece can still be answered. */
async function begun(source: AsyncGenerator<string>): Promise<AsyncGenerator<string>> {
  const first = await source.next();
  return (async function* () {
    try {
      if (!first.done) yield first.value;
      yield* source;
    } finally {
      await source.return(undefined);
    }
  })();
}

/**
 * Sends a track piece by piece, as fast as the client takes it. A client that goes away ends the reading: the source is
 * asked for nothing more.
 */
export async function sendTrack(
  response: Response,
  positions: AsyncIterable<LoggedPosition>,
  format: TrackFormat,
  name: string,
): Promise<void> {
  const source = await begun(pieces(positions, format));
  response.setHeader('Content-Type', format.mediaType);
  response.setHeader('Content-Disposition', `attachment; filename="${name}.${format.extension}"`);
  if (response.req.method === 'HEAD') {
    await source.return(undefined);
    return void response.end();
  }
  try {
    await pipeline(Readable.from(source), response);
  } catch (error) {
    if (!wentAway(error)) throw error;
  }
}
