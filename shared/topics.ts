import type { Identity } from './auth/identity.ts';
import { ANY, type IdOrAny, type Permission, permissions } from './auth/permissions.ts';
import { idPattern } from './ids.ts';

type Rule = (identity: Identity, id: IdOrAny) => Permission;

export type Topic = {
  /** `{name}` stands for one level. The first one holds an id, those after it any text. */
  pattern: string;
  publish: Rule;
  subscribe: Rule;
  description: string;
};

/**
 * The one table of topics: who publishes, who subscribes. The broker authorises by it, REST takes its rules from it,
 * and the AsyncAPI document is made of it.
 */
export const topics = {
  driverLocation: {
    pattern: 'drivers/{driverId}/location',
    publish: permissions.writeDriver,
    subscribe: permissions.readDriver,
    description: 'One live position of a driver',
  },
  driverBacklog: {
    pattern: 'drivers/{driverId}/locations',
    publish: permissions.writeDriver,
    subscribe: permissions.nobody,
    description: 'The backlog of a device that was offline: 1 to 500 positions in any order',
  },
  driverStatus: {
    pattern: 'drivers/{driverId}/status',
    publish: permissions.writeDriver,
    subscribe: permissions.readDriver,
    description: 'Whether a driver is ONLINE, BUSY, ON_TRIP or OFFLINE',
  },
  driverTrips: {
    pattern: 'drivers/{driverId}/trips',
    publish: permissions.nobody,
    subscribe: permissions.ownDriver,
    description: 'The status of every trip assigned to a driver',
  },
  driverErrors: {
    pattern: 'drivers/{driverId}/errors',
    publish: permissions.nobody,
    subscribe: permissions.ownErrors('drivers'),
    description: 'What was refused of the messages that a driver (or an OPERATOR or SERVICE user) sent',
  },
  riderTrips: {
    pattern: 'riders/{riderId}/trips',
    publish: permissions.nobody,
    subscribe: permissions.ownRider,
    description: "The status of every trip of a rider's",
  },
  riderErrors: {
    pattern: 'riders/{riderId}/errors',
    publish: permissions.nobody,
    subscribe: permissions.ownErrors('riders'),
    description: 'What was refused of the messages that a rider (or a VIEWER) sent',
  },
  sessionToken: {
    pattern: 'session/token',
    publish: permissions.everyone,
    subscribe: permissions.nobody,
    description:
      'A fresh token with the same sub and role that ends no sooner: the session goes on until it expires',
  },
  tripTransition: {
    pattern: 'trips/{tripId}/transition',
    publish: permissions.moveTrip,
    subscribe: permissions.nobody,
    description: 'A request to move a trip on to its next status',
  },
  tripLocation: {
    pattern: 'trips/{tripId}/location',
    publish: permissions.nobody,
    subscribe: permissions.followTrip,
    description: 'The live position of the driver of a trip',
  },
  tripStatus: {
    pattern: 'trips/{tripId}/status',
    publish: permissions.nobody,
    subscribe: permissions.followTrip,
    description: 'Every change of the status of a trip',
  },
  ownTracks: {
    pattern: 'owntracks/{driverId}/{device}',
    publish: permissions.writeDriver,
    subscribe: permissions.readOwnTracks,
    description:
      "Way in for the OwnTracks app: its `location` messages are positions of the driver. Nothing is sent here: who follows a driver subscribes to that driver's location",
  },
  ownTracksOther: {
    pattern: 'owntracks/{driverId}/{device}/{kind}',
    publish: permissions.writeDriver,
    subscribe: permissions.readOwnTracks,
    description:
      'What else the OwnTracks app sends (`event`, `waypoint`, `info`, …): acknowledged, and left alone',
  },
} as const satisfies Record<string, Topic>;

export type TopicName = keyof typeof topics;

type TableEntry = { name: TopicName; topic: Topic; levels: readonly string[] };

const entries: readonly TableEntry[] = (Object.keys(topics) as TopicName[]).map((name) => ({
  name,
  topic: topics[name],
  levels: topics[name].pattern.split('/'),
}));

/** What stands before and behind the id: names are made for every position. */
const around = Object.fromEntries(
  entries.map(({ name, topic }) => [name, topic.pattern.split(/\{\w+\}/, 2)]),
) as Record<TopicName, [before: string, behind?: string]>;

/** The concrete name of a topic: `topicFor('driverLocation', 'driver-1')`. */
export function topicFor(name: TopicName, id: string): string {
  const [before, behind] = around[name];
  return behind === undefined ? before : before + id + behind;
}

const isParameter = (level: string) => level.startsWith('{');

/** A level that holds any text (MQTT 3.1.1, 4.7.1: a topic name has no wildcards). */
const textPattern = /^[^+#]+$/;

const parameters = ({ levels }: TableEntry) => levels.filter(isParameter).length;

/** Levels joined with `+` for a parameter: the table as a map, so that a publish costs one look-up. */
const byShape = new Map(
  entries
    .filter((entry) => parameters(entry) < 2)
    .map((entry) => [entry.levels.map((level) => (isParameter(level) ? '+' : level)).join('/'), entry]),
);

/** Those with text after the id, which no look-up finds. */
const withText = entries
  .filter((entry) => parameters(entry) > 1)
  .map((entry) => ({ ...entry, start: entry.topic.pattern.slice(0, entry.topic.pattern.indexOf('{')) }));

/** For a topic name whose second level is an id. */
function findWithText(topicName: string): TableEntry | undefined {
  if (!withText.some(({ start }) => topicName.startsWith(start))) return undefined;
  const given = topicName.split('/');
  return withText.find(
    ({ levels }) =>
      levels.length === given.length &&
      levels.every((level, index) =>
        isParameter(level) ? textPattern.test(given[index] ?? '') : level === given[index],
      ),
  );
}

export type TopicMatch = { name: TopicName; topic: Topic; id: string };

/** Which topic of the table a concrete topic name is; undefined when none. */
export function matchTopic(topicName: string): TopicMatch | undefined {
  const fixed = byShape.get(topicName);
  if (fixed !== undefined && !topicName.includes('+'))
    return { name: fixed.name, topic: fixed.topic, id: '' };
  const first = topicName.indexOf('/');
  const second = topicName.indexOf('/', first + 1);
  if (first < 0 || second < 0) return undefined;
  const id = topicName.slice(first + 1, second);
  if (!idPattern.test(id)) return undefined;
  const entry =
    byShape.get(`${topicName.slice(0, first)}/+${topicName.slice(second)}`) ?? findWithText(topicName);
  return entry && { name: entry.name, topic: entry.topic, id };
}

/** May this user have what is published under this name? One look-up: asked for every message of a trip. */
export function authorizeTopic(identity: Identity, topicName: string): Permission {
  const match = matchTopic(topicName);
  return match === undefined ? 'refused' : match.topic.subscribe(identity, match.id);
}

/**
 * The id at a topic's parameter under a filter: a concrete id, ANY for a wildcard, '' where the topic has no
 * parameter; undefined when filter and topic can't meet. Only the levels `+` and `#` are wildcards (MQTT 3.1.1, 4.7.1).
 */
function meet(filter: readonly string[], levels: readonly string[]): IdOrAny | undefined {
  const idLevel = levels.findIndex(isParameter);
  let id: IdOrAny = '';
  for (let index = 0; index < levels.length; index++) {
    const asked = filter[index];
    const level = levels[index] ?? '';
    if (asked === '#') return idLevel >= index ? ANY : id;
    if (asked === undefined) return undefined;
    if (index === idLevel) {
      if (asked !== '+' && !idPattern.test(asked)) return undefined;
      id = asked === '+' ? ANY : asked;
    } else if (isParameter(level)) {
      if (asked !== '+' && !textPattern.test(asked)) return undefined;
    } else if (asked !== '+' && asked !== level) return undefined;
  }
  // `a/b/#` also matches `a/b`
  const rest = filter.slice(levels.length);
  return rest.length === 0 || (rest.length === 1 && rest[0] === '#') ? id : undefined;
}

export type FilterDecision =
  | { permission: 'granted' | 'refused' }
  /** Granted if, and only if, the user is a party of this trip. */
  | { permission: 'ask-trip'; tripId: string };

/**
 * May this user have everything that a filter matches? (For OwnTracks' topics: see their rule.) Messages that only clients
 * send don't count: nobody receives them. A filter that matches nothing that is ever delivered is refused too.
 */
export function authorizeFilter(identity: Identity, filter: string): FilterDecision {
  const asked = filter.split('/');
  let decision: FilterDecision = { permission: 'refused' };
  for (const { topic, levels } of entries) {
    if (topic.subscribe === permissions.nobody) continue;
    const id = meet(asked, levels);
    if (id === undefined) continue;
    const permission = topic.subscribe(identity, id);
    if (permission === 'refused') return { permission };
    if (permission === 'ask-trip' && typeof id === 'string') decision = { permission, tripId: id };
    else if (decision.permission === 'refused') decision = { permission: 'granted' };
  }
  return decision;
}
