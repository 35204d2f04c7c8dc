import type { Admission, BacklogResult, LiveResult } from '../admission/index.ts';
import type { DevicePosition } from './message.ts';

/**
 * Older than this (ms), a position has waited in its device until there was a network. Such devices know no batches and send what
 * they have kept one by one, as fast as they are answered: under the limit for live positions nearly all of it would be lost. So
 * it has the budget of a backlog. Shorter than that is the way of a slow network.
 */
const LIVE_WITHIN_MS = 30_000;

/** Was this position kept in its device for a while? */
export const isQueued = ({ recordedAt }: DevicePosition, receivedAt: number) =>
  typeof recordedAt === 'number' && receivedAt - recordedAt > LIVE_WITHIN_MS;

/** The way from a device's message into the admission. */
export function admitDevicePosition(
  admission: Pick<Admission, 'live' | 'backlog'>,
  driverId: string,
  position: DevicePosition,
  receivedAt: number,
  done: (result: LiveResult | BacklogResult) => void,
  trace?: string,
): void {
  if (isQueued(position, receivedAt)) admission.backlog(driverId, [position], receivedAt, done, trace);
  else admission.live(driverId, position, receivedAt, done, trace);
}
