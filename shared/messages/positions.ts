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
