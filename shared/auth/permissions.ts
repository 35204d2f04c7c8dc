import type { Identity } from './identity.ts';

/** A path parameter of a topic: a concrete id, or ANY where a filter has a wildcard in its place. */
export const ANY = Symbol('any id');
export type IdOrAny = string | typeof ANY;

/**
 * What a rule answers. `ask-trip`: it depends on who the trip's parties are, so the trip has to be looked up.
 */
export type Permission = 'granted' | 'refused' | 'ask-trip';

const when = (condition: boolean): Permission => (condition ? 'granted' : 'refused');

const isStaff = (identity: Identity) => identity.role === 'OPERATOR' || identity.role === 'SERVICE';
const isService = (identity: Identity) => identity.role === 'SERVICE';

/** SPEC section 4 as functions. Topics and REST routes name one of these and nothing else decides. */
export const permissions = {
  nobody: (): Permission => 'refused',

  everyone: (): Permission => 'granted',

  /** Write as a driver: that DRIVER, SERVICE. */
  writeDriver: (identity: Identity, driverId: IdOrAny): Permission =>
    when(isService(identity) || (identity.role === 'DRIVER' && identity.sub === driverId)),

  /** Read a driver: that DRIVER, OPERATOR, SERVICE. */
  readDriver: (identity: Identity, driverId: IdOrAny): Permission =>
    when(isStaff(identity) || (identity.role === 'DRIVER' && identity.sub === driverId)),

  /** Read across all drivers: OPERATOR, SERVICE. */
  readFleet: (identity: Identity): Permission => when(isStaff(identity)),

  /** What is addressed to one driver alone: that DRIVER, also not an operator. */
  ownDriver: (identity: Identity, driverId: IdOrAny): Permission =>
    when(identity.sub === driverId && identity.role === 'DRIVER'),

  /**
   * OwnTracks' topics, on which nothing is sent to anybody. Its apps subscribe to those of all users and fail when that is
   * refused: the filter is granted, and each message is asked about again, by the topic that it has.
   */
  readOwnTracks: (identity: Identity, user: IdOrAny): Permission =>
    when(isStaff(identity) || (identity.role === 'DRIVER' && (user === ANY || user === identity.sub))),

  /** What is addressed to one rider alone. */
  ownRider: (identity: Identity, riderId: IdOrAny): Permission =>
    when(identity.sub === riderId && identity.role === 'RIDER'),

  /**
   * Errors of a sender. Whoever sends for drivers (DRIVER, OPERATOR, SERVICE) has them under `drivers/`, whoever
   * follows a trip (RIDER, VIEWER) under `riders/`.
   */
  ownErrors:
    (namespace: 'drivers' | 'riders') =>
    (identity: Identity, id: IdOrAny): Permission =>
      when(identity.sub === id && errorsNamespace(identity) === namespace),

  /** Follow a trip: its RIDER and DRIVER, its VIEWERs while it lasts, OPERATOR, SERVICE. */
  followTrip: (identity: Identity, tripId: IdOrAny): Permission => {
    if (isStaff(identity)) return 'granted';
    if (tripId === ANY) return 'refused';
    if (identity.role === 'VIEWER' && !identity.trips.includes(tripId)) return 'refused';
    return 'ask-trip';
  },

  /** Move a trip on: its DRIVER, OPERATOR, SERVICE. */
  moveTrip: (identity: Identity): Permission => {
    if (isStaff(identity)) return 'granted';
    return identity.role === 'DRIVER' ? 'ask-trip' : 'refused';
  },
} as const;

/** Where a sender's errors go. */
export function errorsNamespace(identity: Pick<Identity, 'role'>): 'drivers' | 'riders' {
  return identity.role === 'RIDER' || identity.role === 'VIEWER' ? 'riders' : 'drivers';
}
