import type { Response } from 'express';
import type { Queries } from '../../shared/database/index.ts';
import { positionOf } from '../../shared/database/position-row.ts';
import { positionMessage } from '../../shared/messages/positions.ts';
import { pageOf, storedPositionSchema } from '../../shared/schemas/outgoing.ts';
import { decodeCursor, encodeCursor, isTime } from '../cursor.ts';
import { csv } from '../formats/csv.ts';
import type { TrackFormat } from '../formats/format.ts';
import { gpx } from '../formats/gpx.ts';
import { sendTrack } from '../formats/stream.ts';
import { examples } from '../schemas/examples.ts';
import type { trackFormats } from '../schemas/parameters.ts';
import { type HistoryPage, historyPage } from '../sql/history-page.ts';
import { readTrack } from '../sql/read-track.ts';
import type { Content } from './route.ts';

export type TrackRequest = {
  /** What the page is of; a cursor is good for the same only. */
  asked: object;
  track: Omit<HistoryPage, 'after' | 'limit'>;
  format: (typeof trackFormats)[number];
  limit: number | undefined;
  cursor: string | undefined;
  name: string;
  geojson: TrackFormat;
};

export const DEFAULT_PAGE = 100;

/** A page as JSON (returned), or the whole as a document (streamed; undefined). */
export async function answerTrack(
  queries: Queries,
  response: Response,
  { asked, track, format, limit, cursor, name, geojson }: TrackRequest,
): Promise<unknown> {
  const after = cursor === undefined ? undefined : decodeCursor(asked, cursor, isTime);
  if (format !== 'json') {
    const writer = { geojson, gpx: gpx(name), csv }[format];
    await sendTrack(response, readTrack(queries, { ...track, after }, limit), writer, name);
    return undefined;
  }
  const size = limit ?? DEFAULT_PAGE;
  const rows = await historyPage(queries, { ...track, after, limit: size + 1 });
  const items = rows.slice(0, size).map(positionOf);
  const last = items.at(-1);
  return {
    items: items.map(positionMessage),
    nextCursor: rows.length > size && last !== undefined ? encodeCursor(asked, last.recordedAt) : null,
  };
}

/** The answers of `answerTrack`, for the document. `geojson`: that form of it. */
export const trackContent = (geojson: Omit<Content, 'mediaType'>): readonly Content[] => [
  {
    mediaType: 'application/json',
    schema: pageOf(storedPositionSchema),
    example: { items: [examples.stored], nextCursor: null },
  },
  { mediaType: 'application/geo+json', ...geojson },
  { mediaType: 'application/gpx+xml', example: '<gpx version="1.1">…</gpx>' },
  { mediaType: 'text/csv', example: 'driverId,recordedAt,receivedAt,latitude,longitude' },
];
