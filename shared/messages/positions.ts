import type { LoggedPosition } from '../position-log/index.ts';
import type { StoredPosition } from '../schemas/outgoing.ts';
import { presentPosition } from '../schemas/position.ts';
import { topicFor } from '../topics.ts';
import type { Publisher } from './publisher.ts';

/** A position as subscribers and REST see it: section 6 with `driverId`, `receivedAt` and, where there is one, `tripId`. */
export function positionMessage(position: LoggedPosition): StoredPosition {
  const message = {
    driverId: position.driverId,
    ...presentPosition(position),
    receivedAt: new Date(position.receivedAt).toISOString(),
  };
  return position.tripId === null ? message : { ...message, tripId: position.tripId };
}

/** Hands a position to whoever follows its driver. */
export function deliverPosition(publisher: Publisher, position: LoggedPosition, written?: () => void): void {
  publisher.stream(
    topicFor('driverLocation', position.driverId),
    Buffer.from(JSON.stringify(positionMessage(position))),
    written,
  );
}

const RECEIVED_AT = '"receivedAt":"';
/** ECMA-262, 21.4.1.32: of the years that we live in. */
const ISO_LENGTH = '2026-11-24T12:00:00.000Z'.length;

/** When a position was received (epoch ms), out of its message, which is not parsed for it; undefined: it is none. */
export function receivedAtOf(payload: Buffer): number | undefined {
  const at = payload.indexOf(RECEIVED_AT);
  if (at < 0) return undefined;
  const start = at + RECEIVED_AT.length;
  const time = Date.parse(payload.toString('latin1', start, start + ISO_LENGTH));
  return Number.isNaN(time) ? undefined : time;
}
