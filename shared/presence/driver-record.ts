import type { DriverStatus, ReportedStatus } from '../schemas/driver-status.ts';

/** What a driver counts as follows from this and nothing else. */
export type DriverRecord = {
  /** What it said last of itself; undefined: nothing yet. */
  reported: ReportedStatus | undefined;
  /** Its connections were lost, and it has not been heard of since. */
  lost: boolean;
  onTrip: boolean;
  connections: number;
  /** Epoch ms of the last time that it was heard of: a position, or a status. */
  seenAt: number;
  /** What it was last stored and published as; undefined: it never was. */
  published: DriverStatus | undefined;
};

export function newRecord(): DriverRecord {
  return { reported: undefined, lost: false, onTrip: false, connections: 0, seenAt: 0, published: undefined };
}

/** A trip is served to its end, also through a tunnel: ON_TRIP comes first. */
export function effectiveStatus({ reported, lost, onTrip }: DriverRecord): DriverStatus {
  if (onTrip) return 'ON_TRIP';
  return lost ? 'OFFLINE' : (reported ?? 'ONLINE');
}
