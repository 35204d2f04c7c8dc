import { describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { decideTransition, mayFollow, maySeeDriver, type Party, partyOf } from '../../shared/trips/status.ts';
import { type TripStatus, tripStatuses } from '../support/trips.ts';

type Table = Record<TripStatus, readonly TripStatus[]>;

/** SPEC section 7, by hand. */
const drivers: Table = {
  PENDING: ['EN_ROUTE', 'CANCELLED'],
  EN_ROUTE: ['ARRIVED', 'CANCELLED'],
  ARRIVED: ['IN_PROGRESS', 'CANCELLED'],
  IN_PROGRESS: ['COMPLETED'],
  COMPLETED: [],
  CANCELLED: [],
};
const staffs: Table = { ...drivers, IN_PROGRESS: ['COMPLETED', 'CANCELLED'] };
const riders: Table = {
  PENDING: ['CANCELLED'],
  EN_ROUTE: ['CANCELLED'],
  ARRIVED: ['CANCELLED'],
  IN_PROGRESS: [],
  COMPLETED: [],
  CANCELLED: [],
};
const nobodys: Table = { ...riders, PENDING: [], EN_ROUTE: [], ARRIVED: [] };

const may: Record<Party, Table> = {
  driver: drivers,
  operator: staffs,
  service: staffs,
  rider: riders,
  viewer: nobodys,
};

/** What each party may ask for at all; anything else is not its to ask. */
const mayAsk: Record<Party, readonly TripStatus[]> = {
  driver: tripStatuses,
  operator: tripStatuses,
  service: tripStatuses,
  rider: ['CANCELLED'],
  viewer: [],
};

const pairs = tripStatuses.flatMap((from) => tripStatuses.map((to) => [from, to] as const));

describe.each(Object.keys(may) as Party[])('a %s', (party) => {
  test.each(pairs)('from %s to %s', (from, to) => {
    const decision = decideTransition(from, to, party, true);
    if (!mayAsk[party].includes(to)) expect(decision).toMatchObject({ kind: 'refused', code: 'FORBIDDEN' });
    else if (from === to) expect(decision).toEqual({ kind: 'repeat' });
    else if (may[party][from].includes(to)) expect(decision).toEqual({ kind: 'change' });
    else expect(decision).toMatchObject({ kind: 'refused', code: 'INVALID_TRANSITION' });
  });
});

test('without a driver, nobody sets out, and everybody may cancel who could otherwise', () => {
  for (const party of ['driver', 'operator', 'service'] as const) {
    expect(decideTransition('PENDING', 'EN_ROUTE', party, false)).toMatchObject({
      kind: 'refused',
      code: 'INVALID_TRANSITION',
    });
    expect(decideTransition('PENDING', 'CANCELLED', party, false)).toEqual({ kind: 'change' });
  }
  expect(decideTransition('PENDING', 'CANCELLED', 'rider', false)).toEqual({ kind: 'change' });
});

const trip = { id: 'trip-1', riderId: 'ann', driverId: 'bob' };
const user = (role: Role, sub: string, trips: string[] = []) => ({ role, sub, trips });

/** Who they are to the trip of ann and bob. A name alone makes nobody a party: the role has to fit. */
const users: [string, ReturnType<typeof user>, Party | undefined][] = [
  ['its driver', user('DRIVER', 'bob'), 'driver'],
  ['another driver', user('DRIVER', 'eve'), undefined],
  ['a driver who is called like its rider', user('DRIVER', 'ann'), undefined],
  ['its rider', user('RIDER', 'ann'), 'rider'],
  ['another rider', user('RIDER', 'eve'), undefined],
  ['a rider who is called like its driver', user('RIDER', 'bob'), undefined],
  ['its viewer', user('VIEWER', 'guest', ['trip-0', 'trip-1']), 'viewer'],
  ['a viewer of another trip', user('VIEWER', 'guest', ['trip-2']), undefined],
  ['a viewer of another trip who is called like its rider', user('VIEWER', 'ann', ['trip-2']), undefined],
  ['a viewer of nothing', user('VIEWER', 'bob'), undefined],
  ['a rider with the trip in its token', user('RIDER', 'eve', ['trip-1']), undefined],
  ['an operator', user('OPERATOR', 'olga'), 'operator'],
  ['a service', user('SERVICE', 'desk'), 'service'],
];

test.each(users)('%s is as much of a party as the role says', (_name, identity, party) => {
  expect(partyOf(identity, trip)).toBe(party);
});

test('a trip without a driver is no driver’s', () => {
  for (const sub of ['bob', 'null', 'undefined'])
    expect(partyOf(user('DRIVER', sub), { ...trip, driverId: null })).toBeUndefined();
});

const ended: readonly TripStatus[] = ['COMPLETED', 'CANCELLED'];
const underWay: readonly TripStatus[] = ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'];

test.each(users)('%s may follow as long as the right lasts', (_name, identity, party) => {
  for (const status of tripStatuses) {
    const wanted = party === 'viewer' ? !ended.includes(status) : party !== undefined;
    expect([status, mayFollow(identity, { ...trip, status })]).toEqual([status, wanted]);
  }
});

test.each(users)('%s sees the driver only when that is for it', (_name, identity, party) => {
  for (const status of tripStatuses) {
    const isStaff = party === 'operator' || party === 'service';
    const wanted = isStaff || (party !== undefined && underWay.includes(status));
    expect([status, maySeeDriver(identity, { ...trip, status })]).toEqual([status, wanted]);
  }
});
