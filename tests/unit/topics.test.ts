import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Identity, Role } from '../../shared/auth/identity.ts';
import { authorizeFilter, matchTopic, type TopicName, topicFor, topics } from '../../shared/topics.ts';

const TRIP = '0b6ff38e-6f5a-4bb1-a6c5-3de1f5a7d0d1';
const OTHER_TRIP = '11111111-6f5a-4bb1-a6c5-3de1f5a7d0d1';
const ids = ['anna', 'bert', TRIP, OTHER_TRIP, 'x'.repeat(64)];

const identity = (role: Role, sub: string): Identity => ({
  sub,
  role,
  expiresAt: Number.MAX_SAFE_INTEGER,
  trips: role === 'VIEWER' ? [TRIP] : [],
});

const identities = ['DRIVER', 'RIDER', 'VIEWER', 'OPERATOR', 'SERVICE'].flatMap((role) =>
  ['anna', 'bert'].map((sub) => identity(role as Role, sub)),
);

/**
 * What is delivered, and to whom: SPEC section 5's second table, written down once more. OwnTracks' filters are
 * granted for the sake of its apps, but nothing is ever sent there.
 */
const deliveredFor = (id: string) => [
  `trips/${id}/location`,
  `trips/${id}/status`,
  `drivers/${id}/location`,
  `drivers/${id}/status`,
  `drivers/${id}/trips`,
  `drivers/${id}/errors`,
  `riders/${id}/trips`,
  `riders/${id}/errors`,
];
const delivered = ids.flatMap(deliveredFor);

function mayReceive({ role, sub, trips }: Identity, topic: string): 'granted' | 'refused' | 'ask-trip' {
  const [root, id = '', leaf] = topic.split('/');
  const isStaff = role === 'OPERATOR' || role === 'SERVICE';
  const own = id === sub;
  const when = (allowed: boolean) => (allowed ? 'granted' : 'refused');
  if (root === 'trips') {
    if (isStaff) return 'granted';
    return role === 'VIEWER' && !trips.includes(id) ? 'refused' : 'ask-trip';
  }
  if (leaf === 'errors')
    return when(
      own && (root === 'drivers') === (role === 'DRIVER' || role === 'OPERATOR' || role === 'SERVICE'),
    );
  if (root === 'riders') return when(own && role === 'RIDER');
  if (leaf === 'trips') return when(own && role === 'DRIVER');
  return when(isStaff || (own && role === 'DRIVER'));
}

/** MQTT 3.1.1, 4.7: level by level. */
function matches(filter: string, topic: string): boolean {
  const pattern = filter
    .split('/')
    .map((level) => (level === '+' ? '[^/]*' : level.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('/');
  const whole = pattern.replace(/\/#$/, '(/.*)?').replace(/^#$/, '.*');
  return new RegExp(`^${whole}$`, 's').test(topic);
}

const level = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('+', 'drivers', 'riders', 'trips', 'location', 'status', 'errors'),
  },
  { weight: 3, arbitrary: fc.constantFrom(...ids) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'owntracks',
      '$SYS',
      '$share',
      'locations',
      'transition',
      'session',
      'token',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 4 }).map((text) => text.replace(/[#+/]/g, '')) },
);

const filter = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'));

const anyFilter = fc.oneof(
  filter,
  fc.constant('#'),
  fc.constantFrom(...delivered).map((topic) => topic.replace(/\/[^/]*$/, '/#')),
  fc.tuple(fc.constantFrom(...delivered), fc.nat(2)).map(([topic, index]) => {
    const levels = topic.split('/');
    levels[index] = '+';
    return levels.join('/');
  }),
);

describe('a filter', () => {
  const check = (user: Identity, asked: string) => {
    const decision = authorizeFilter(user, asked);
    // Also those of an id that only this filter names
    const [, own = ''] = asked.split('/');
    const known = /^[A-Za-z0-9_-]{1,64}$/.test(own) ? [...delivered, ...deliveredFor(own)] : delivered;
    const met = known.filter((topic) => matches(asked, topic));
    const rights = met.map((topic) => mayReceive(user, topic));
    const trips = met.filter((topic) => mayReceive(user, topic) === 'ask-trip');
    // One question is all that can be asked: trips that are not named are refused unasked
    const several = new Set(trips.map((topic) => topic.split('/')[1])).size > 1;
    if (asked.startsWith('owntracks') || asked.startsWith('+') || asked.startsWith('#')) {
      // May be granted or refused for what OwnTracks does; never more than the rest allows
      if (several || rights.includes('refused')) expect(decision.permission).toBe('refused');
    } else if (rights.length === 0 || several || rights.includes('refused'))
      expect(decision.permission).toBe('refused');
    else if (rights.includes('ask-trip')) expect(decision.permission).toBe('ask-trip');
    else expect(decision.permission).toBe('granted');
    if (decision.permission === 'granted') expect(rights).not.toContain('ask-trip');
    if (decision.permission === 'ask-trip')
      for (const topic of trips) expect(topic).toContain(`/${decision.tripId}/`);
  };

  test('is granted exactly when everything that it matches is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...identities), anyFilter, (user, asked) => check(user, asked)),
      { numRuns: 5000 },
    );
  });

  test('that is a topic name is decided as that topic', () => {
    for (const user of identities)
      for (const topic of delivered)
        expect([user.role, user.sub, topic, authorizeFilter(user, topic).permission]).toEqual([
          user.role,
          user.sub,
          topic,
          mayReceive(user, topic),
        ]);
  });

  test.each([
    '#',
    '+',
    '+/+/location',
    '+/#',
    'drivers/#',
    'drivers/+/location',
    'drivers/+/errors',
    'trips/#',
    'trips/+/status',
    '$SYS/#',
    '$share/g/drivers/anna/location',
    'drivers/anna/locations',
    'session/token',
    '/drivers/anna/location',
    'drivers//location',
    'drivers/anna/location/',
  ])('%s reaches further than a driver may see, or nowhere', (asked) => {
    expect(authorizeFilter(identity('DRIVER', 'anna'), asked).permission).toBe('refused');
  });

  test.each(['drivers/anna/#', 'drivers/anna/+', 'drivers/anna/location/#'])(
    '%s is what a driver may see',
    (asked) => {
      expect(authorizeFilter(identity('DRIVER', 'anna'), asked).permission).toBe('granted');
    },
  );
});

describe('a topic name', () => {
  test('is found in the table under the id that it was made of', () => {
    for (const name of Object.keys(topics) as TopicName[]) {
      if (name.startsWith('ownTracks')) continue;
      const id = topics[name].pattern.includes('{') ? 'anna' : '';
      expect(matchTopic(topicFor(name, id))).toEqual({ name, topic: topics[name], id });
    }
  });

  test('of any text is found as what it is or not at all, and never an error', () => {
    const wild = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      filter,
      fc
        .array(
          fc.constantFrom('/', '+', '#', '', 'drivers', '{driverId}', '__proto__', '\u0000', 'location'),
          {
            maxLength: 12,
          },
        )
        .map((parts) => parts.join('/')),
    );
    fc.assert(
      fc.property(wild, (text) => {
        const match = matchTopic(text);
        if (match === undefined) return;
        expect(text).not.toMatch(/[+#]/);
        expect(match.id).toMatch(/^([A-Za-z0-9_-]{1,64})?$/);
        const [root, , ...rest] = text.split('/');
        expect(match.topic.pattern.split('/')[0]).toBe(root);
        expect(match.topic.pattern.split('/')).toHaveLength(rest.length + 2);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    '',
    '/',
    '//',
    'drivers',
    'drivers/anna',
    'drivers//location',
    'drivers/+/location',
    'drivers/#',
    'drivers/anna/location/',
    '/drivers/anna/location',
    'Drivers/anna/location',
    'drivers/an na/location',
    'drivers/a.b/location',
    'drivers/anna\u0000/location',
    `drivers/${'x'.repeat(65)}/location`,
    'drivers/{driverId}/location',
    'session/+',
    '$SYS/drivers/anna/location',
    'drivers/anna/__proto__',
  ])('%j is none of ours', (text) => {
    expect(matchTopic(text)).toBeUndefined();
  });

  test('that is as long as MQTT allows, or has hundreds of levels, is none of ours', () => {
    for (const text of ['a'.repeat(65_535), 'drivers/'.repeat(200), `drivers/${'x/'.repeat(200)}location`])
      expect(matchTopic(text)).toBeUndefined();
  });
});
