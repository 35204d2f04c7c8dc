import type { Identity } from '../auth/identity.ts';

/**
 * The life of a trip:
 *
 *   PENDING → EN_ROUTE → ARRIVED → IN_PROGRESS → COMPLETED
 *
 * and CANCELLED from any of the first three; from IN_PROGRESS only OPERATOR and SERVICE may cancel. A repeat of the current status
 * changes nothing and is no error, since messages may come twice. EN_ROUTE needs a driver.
 */
export const tripStatuses = [
  'PENDING',
  'EN_ROUTE',
  'ARRIVED',
  'IN_PROGRESS',
  'COMPLETED',
  'CANCELLED',
] as const;
export type TripStatus = (typeof tripStatuses)[number];

/** Who acts, as this trip sees it. */
export type Party = 'driver' | 'rider' | 'viewer' | 'operator' | 'service';

const ANY_MOVER: readonly Party[] = ['driver', 'operator', 'service'];
const ANY_CANCELLER: readonly Party[] = ['driver', 'rider', 'operator', 'service'];
const STAFF: readonly Party[] = ['operator', 'service'];

/** The one table: from each status, to which others, by whom. */
export const transitions: Readonly<Record<TripStatus, Partial<Record<TripStatus, readonly Party[]>>>> = {
  PENDING: { EN_ROUTE: ANY_MOVER, CANCELLED: ANY_CANCELLER },
  EN_ROUTE: { ARRIVED: ANY_MOVER, CANCELLED: ANY_CANCELLER },
  ARRIVED: { IN_PROGRESS: ANY_MOVER, CANCELLED: ANY_CANCELLER },
  IN_PROGRESS: { COMPLETED: ANY_MOVER, CANCELLED: STAFF },
  COMPLETED: {},
  CANCELLED: {},
};

/** While these last, the driver is ON_TRIP and the rider sees where the car is. */
export const isActive = (status: TripStatus) =>
  status === 'EN_ROUTE' || status === 'ARRIVED' || status === 'IN_PROGRESS';

export const hasEnded = (status: TripStatus) => status === 'COMPLETED' || status === 'CANCELLED';

type Parties = { id: string; riderId: string; driverId: string | null };

/** What a user is to a trip; undefined: nothing, so for this user it does not exist. */
export function partyOf(
  identity: Pick<Identity, 'sub' | 'role' | 'trips'>,
  trip: Parties,
): Party | undefined {
  switch (identity.role) {
    case 'OPERATOR':
      return 'operator';
    case 'SERVICE':
      return 'service';
    case 'DRIVER':
      return trip.driverId === identity.sub ? 'driver' : undefined;
    case 'RIDER':
      return trip.riderId === identity.sub ? 'rider' : undefined;
    case 'VIEWER':
      return identity.trips.includes(trip.id) ? 'viewer' : undefined;
  }
}

/** May this user follow the trip, live? A share link ends with it. */
export function mayFollow(
  identity: Pick<Identity, 'sub' | 'role' | 'trips'>,
  trip: Parties & { status: TripStatus },
): boolean {
  const party = partyOf(identity, trip);
  return party === 'viewer' ? !hasEnded(trip.status) : party !== undefined;
}

/**
 * May this user see where the driver of this trip is? Who is not driving for you is not shown to you. Nor is a driver shown another
 * one: while the trip is under way it stays with its driver, before that it may have been given to somebody else just now.
 */
export function maySeeDriver(
  identity: Pick<Identity, 'sub' | 'role' | 'trips'>,
  trip: Parties & { status: TripStatus },
): boolean {
  const party = partyOf(identity, trip);
  if (party === 'operator' || party === 'service') return true;
  return party !== undefined && isActive(trip.status);
}

export type TransitionDecision =
  | { kind: 'change' }
  | { kind: 'repeat' }
  | { kind: 'refused'; code: 'FORBIDDEN' | 'INVALID_TRANSITION'; message: string };

/** What comes of asking a trip that stands at `from` to change to `to`. */
export function decideTransition(
  from: TripStatus,
  to: TripStatus,
  party: Party,
  hasDriver: boolean,
): TransitionDecision {
  const everMay = Object.values(transitions).some((targets) => targets[to]?.includes(party));
  if (party === 'viewer' || (party === 'rider' && !everMay))
    return { kind: 'refused', code: 'FORBIDDEN', message: `a ${party} may not set ${to}` };
  if (from === to) return { kind: 'repeat' };
  if (!transitions[from][to]?.includes(party))
    return {
      kind: 'refused',
      code: 'INVALID_TRANSITION',
      message: `a ${party} can't change a trip from ${from} to ${to}`,
    };
  if (to === 'EN_ROUTE' && !hasDriver)
    return { kind: 'refused', code: 'INVALID_TRANSITION', message: 'EN_ROUTE needs a driver' };
  return { kind: 'change' };
}
