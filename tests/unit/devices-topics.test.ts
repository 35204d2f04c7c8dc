import { describe, expect, test } from '@jest/globals';
import type { AedesPublishPacket } from 'aedes';
import { createDeliverHandler } from '../../broker/deliver.ts';
import { newSession, type SessionClient } from '../../broker/session.ts';
import { createTripDeliveries } from '../../broker/trip-deliveries.ts';
import { TripWatch } from '../../broker/trip-watch.ts';
import type { Identity, Role } from '../../shared/auth/identity.ts';
import { readConfig } from '../../shared/config.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { authorizeFilter, matchTopic } from '../../shared/topics.ts';

const identity = (role: Role, sub = 'jane'): Identity => ({
  role,
  sub,
  expiresAt: Number.MAX_SAFE_INTEGER,
  trips: role === 'VIEWER' ? ['t'] : [],
});

describe('topics of OwnTracks', () => {
  test.each([
    ['owntracks/jane/phone', 'ownTracks'],
    ["owntracks/jane/Jane's iPhone 15.2", 'ownTracks'],
    ['owntracks/jane/{device}', 'ownTracks'],
    ['owntracks/jane/phone/event', 'ownTracksOther'],
    ['owntracks/jane/phone/waypoints', 'ownTracksOther'],
    ['owntracks/jane/phone/next year', 'ownTracksOther'],
  ])('%s is %s of jane', (topic, name) => {
    expect(matchTopic(topic)).toMatchObject({ name, id: 'jane' });
  });

  test.each([
    'owntracks',
    'owntracks/jane',
    'owntracks/jane/',
    'owntracks//phone',
    'owntracks/jane doe/phone',
    'owntracks/jane/+',
    'owntracks/jane/#',
    'owntracks/+/phone',
    'owntracks/jane/phone/',
    'owntracks/jane/phone/+',
    'owntracks/jane//event',
    'owntracks/jane/phone/event/more',
    '/owntracks/jane/phone',
    'OwnTracks/jane/phone',
    'drivers/jane/phone',
  ])('%j is no topic', (topic) => {
    expect(matchTopic(topic)).toBeUndefined();
  });

  test.each([
    ['DRIVER', 'jane', 'granted'],
    ['DRIVER', 'john', 'refused'],
    ['SERVICE', 'john', 'granted'],
    ['OPERATOR', 'jane', 'refused'],
    ['RIDER', 'jane', 'refused'],
    ['VIEWER', 'jane', 'refused'],
  ] as const)('a %s called jane that publishes for %s: %s', (role, user, permission) => {
    for (const topic of [`owntracks/${user}/phone`, `owntracks/${user}/phone/event`])
      expect(matchTopic(topic)?.topic.publish(identity(role), user)).toBe(permission);
  });
});

/** What the apps subscribe to. */
const appFilters = [
  'owntracks/+/+',
  'owntracks/+/+/event',
  'owntracks/+/+/info',
  'owntracks/jane/phone/cmd',
  'owntracks/jane/phone',
  'owntracks/jane/#',
  'owntracks/#',
];

describe('filters of OwnTracks', () => {
  test.each(appFilters)('%s is granted to a driver and to staff, and to nobody else', (filter) => {
    for (const role of ['DRIVER', 'OPERATOR', 'SERVICE'] as const)
      expect(authorizeFilter(identity(role), filter)).toEqual({ permission: 'granted' });
    for (const role of ['RIDER', 'VIEWER'] as const)
      expect(authorizeFilter(identity(role), filter)).toEqual({ permission: 'refused' });
  });

  test.each([
    'owntracks/john/phone',
    'owntracks/john/+',
    'owntracks/john/#',
    'owntracks/john/phone/cmd',
    'owntracks/jane',
    'owntracks/+',
    'owntracks/jane/phone/event/more',
    'owntracks/jane/phone/event/+',
    '#',
    '+/#',
    '+/+/#',
    '+/jane/#',
    '+/+/+',
    '+/+/location',
  ])('%s is refused to a driver called jane', (filter) => {
    expect(authorizeFilter(identity('DRIVER'), filter)).toEqual({ permission: 'refused' });
  });
});

describe('a message on a topic of OwnTracks, wherever it may come from,', () => {
  const deliver = createDeliverHandler(
    createTripDeliveries(new TripWatch({ find: () => Promise.resolve([]), afterRestart: () => false })),
    readConfig({}).mqtt.limits,
    createMetrics(),
  );
  const reaches = (role: Role, topic: string, qos: 0 | 1 | 2, retain: boolean): boolean => {
    const client = {
      session: newSession(identity(role), 'TCP', false),
      conn: { writableLength: 0 },
      connackSent: true,
      subscriptions: { 'owntracks/+/+': { qos: 2 } },
      duplicates: {},
    };
    const packet = { cmd: 'publish', topic, payload: Buffer.from('{}'), qos, retain, dup: false };
    return deliver(client as unknown as SessionClient, packet as unknown as AedesPublishPacket) !== null;
  };
  const ways = ([0, 1, 2] as const).flatMap((qos) => [false, true].map((retain) => ({ qos, retain })));

  test.each(ways)('reaches its own driver and staff alone: %j', ({ qos, retain }) => {
    expect(reaches('DRIVER', 'owntracks/jane/phone', qos, retain)).toBe(true);
    expect(reaches('OPERATOR', 'owntracks/john/phone', qos, retain)).toBe(true);
    expect(reaches('DRIVER', 'owntracks/john/phone', qos, retain)).toBe(false);
    expect(reaches('DRIVER', 'owntracks/john/phone/event', qos, retain)).toBe(false);
    expect(reaches('RIDER', 'owntracks/jane/phone', qos, retain)).toBe(false);
  });
});
