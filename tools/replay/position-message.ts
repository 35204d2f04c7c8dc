import { topicFor } from '../../shared/topics.ts';
import type { Message } from '../shared/connection.ts';
import type { TrackPoint } from './track-point.ts';

/** A position of SPEC section 6 on its driver's topic; what the file doesn't know is left out. */
export function positionMessage(point: TrackPoint, driverId: string, shiftMs: number): Message {
  const { latitude, longitude, bearing, speed, accuracy, altitude, battery } = point;
  const recordedAt = new Date(point.timeMs + shiftMs).toISOString();
  return {
    topic: topicFor('driverLocation', driverId),
    // JSON has no undefined: such fields are not written.
    payload: JSON.stringify({ latitude, longitude, bearing, speed, accuracy, altitude, battery, recordedAt }),
  };
}
